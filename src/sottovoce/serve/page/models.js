// The models that are served: how good each is, what it learned from, what it cannot do; one is in use.

import * as api from "./api.js";
import { percent } from "./answers.js";
import { drawn, fill, make, wide } from "./dom.js";
import { styles } from "./lane.js";
import { texts } from "./texts.js";

const say = texts.modelsPage;

/** The note of a figure on a whole corpus that the model of that fold never heard. */
const LEFT_OUT = /^\S+ left out of training, no profile$/;

/** Show the list, and the card of the model in the address, or of the one in use. */
export async function models(main, { named, models: served, model: used, chooseModel }) {
  const shown = served.find((one) => one.name === (named && decodeURIComponent(named))) ?? used;
  const place = make("article", { class: "card", "aria-live": "polite" });
  const cards = await Promise.all(served.map((one) => api.card(one.name)));
  const list = served.map((one, i) =>
    make(
      "li",
      { class: one.name === shown.name ? "shown" : "" },
      make("a", { href: `#/models/${encodeURIComponent(one.name)}`, "aria-current": one.name === shown.name ? "true" : undefined }, one.name),
      make("span", { class: "quiet" }, headline(cards[i]) ?? say.unmeasured),
      make("span", { class: "quiet" }, texts.megabytes(one.size)),
      one.name === used.name ? make("b", {}, say.inUse) : make("button", { "aria-label": `${say.use}: ${one.name}`, onclick: () => chooseModel(one.name) }, say.use),
    ),
  );
  fill(main, make("h1", {}, texts.pages.models), make("ul", { class: "list model-list" }, list), served.length > 1 ? make("p", { class: "quiet" }, say.notComparable) : "", place);
  const tested = await api.tested(shown.name);
  fill(place, cardOf(shown, cards[served.indexOf(shown)], tested));
  return () => {};
}

/** The first figure for strangers in a newcomer's words; null where none was measured. */
export function headline(card) {
  const figure = card.figures.find((one) => one.metric === "uar") ?? card.figures.find((one) => one.metric === "accuracy");
  return figure ? say.ofHundred(hundred(figure), card.protocol.optimistic) : null;
}

function hundred({ value, low, high }) {
  return [value, low, high].map((one) => Math.round(100 * one));
}

function cardOf(model, card, tested) {
  const looks = styles(model);
  const section = (name, ...parts) => make("section", {}, make("h2", {}, name), parts);
  return [
    make("h2", { class: "title" }, `${card.name} ${card.version}`),
    make("p", { class: "lead" }, card.description),
    make("p", {}, headline(card) ?? say.unmeasured, " ", say.elsewhere(card.figures.filter((one) => one.metric === "uar" && LEFT_OUT.test(one.note)).map((one) => Math.round(100 * one.value)))),
    card.protocol.optimistic ? make("p", { class: "problem" }, say.optimistic) : "",
    make("div", { class: "chips", role: "list", "aria-label": say.hears }, card.labels.map((label) => make("span", { class: "button chip", role: "listitem", style: { "--colour": looks.get(label).colour } }, make("i", { class: "dot" }), label))),
    section(say.limits, make("ul", {}, card.limits.map((one) => make("li", {}, one))), make("p", {}, texts.law)),
    card.figures.length ? section(say.figures, make("p", { class: "quiet" }, say.figuresHint), figureTables(card.figures), make("p", { class: "quiet" }, say.protocol(card.protocol))) : "",
    tested?.confusion ? section(say.confusion, make("p", { class: "quiet" }, say.confusionHint), confusionTable(tested)) : "",
    tested?.reliability ? section(say.reliability, make("p", { class: "quiet" }, say.reliabilityHint), reliabilityFigure(tested.reliability)) : "",
    section(say.corpora, corpusTable(card.corpora)),
    section(
      say.facts,
      make(
        "dl",
        {},
        say.factRows(card, texts.megabytes(model.size)).map(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]),
      ),
    ),
  ];
}

// Figures as tables whose last column is a picture: a dot with its interval, on one axis from 0 to 100 %. They are one
// table where each is of another metric, else a table a metric.
function figureTables(figures) {
  const metrics = [...new Set(figures.map((one) => one.metric))];
  if (metrics.length === figures.length) return figureTable(say.figures, [say.figureRow, ...say.figureColumns.slice(1)], figures, (one) => called(one.metric));
  return metrics.map((metric) => figureTable(called(metric), say.figureColumns, figures.filter((one) => one.metric === metric), (one) => one.note || say.asMeasured, true));
}

function called(metric) {
  return say.metrics[metric] ?? (metric.startsWith("recall_") ? say.recall(metric.slice(7)) : metric);
}

function figureTable(name, columns, figures, rowName, isCaptioned = false) {
  const rows = figures.map((one) => {
    const share = one.unit === "fraction";
    const shown = (value) => (share ? `${(100 * value).toFixed(1)} %` : value.toFixed(3));
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, rowName(one)),
      make("td", { class: "number" }, shown(one.value)),
      make("td", { class: "number quiet" }, say.interval(shown(one.low), shown(one.high), share ? "" : ` ${one.unit}`)),
      make("td", { class: "plot" }, share ? dot(one, shown) : ""),
    );
  });
  return wide(name, make("table", { class: "plain" }, isCaptioned && make("caption", {}, name), make("thead", {}, make("tr", {}, columns.map((one) => make("th", { scope: "col" }, one)))), make("tbody", {}, rows)));
}

function dot({ value, low, high }, shown) {
  return drawn(
    "svg",
    { viewBox: "0 0 200 20", role: "img", "aria-label": `${shown(value)}, ${say.interval(shown(low), shown(high), "")}`, class: "dot-plot" },
    ...[0, 50, 100, 150, 200].map((x) => drawn("line", { x1: x, x2: x, y1: 2, y2: 18, class: "grid" })),
    drawn("line", { x1: 200 * low, x2: 200 * high, y1: 10, y2: 10, class: "range" }),
    drawn("circle", { cx: 200 * value, cy: 10, r: 4.5 }),
  );
}

// Rows: what was meant. Columns: what the model said, in percent of the row, the darker the more.
function confusionTable({ labels, confusion }) {
  const rows = confusion.map((row, truth) => {
    const whole = row.reduce((sum, one) => sum + one, 0) || 1;
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, labels[truth]),
      row.map((count, said) => make("td", { class: truth === said ? "right" : "", title: say.cell(percent(count / whole), labels[truth], labels[said]), style: { "--share": `${Math.round((55 * count) / whole)}%` } }, String(Math.round((100 * count) / whole)))),
      make("td", { class: "quiet" }, String(Math.round(whole))),
    );
  });
  return wide(say.confusion, make("table", { class: "plain confusion" }, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, say.truth), labels.map((label) => make("th", { scope: "col" }, label)), make("th", { scope: "col" }, say.clips))), make("tbody", {}, rows)));
}

// Confidence across, the fraction that was right up; on the diagonal the model is as right as it says.
function reliabilityFigure({ clips, confidence, right }) {
  const found = clips.map((count, i) => ({ count, x: confidence[i], y: right[i] })).filter((one) => one.count >= 20 && one.x !== null);
  const most = Math.max(...clips, 1);
  const [x, y] = [(value) => 40 + 300 * value, (value) => 310 - 300 * value];
  const picture = drawn("svg", { viewBox: "0 0 360 350", role: "img", "aria-label": say.reliability, class: "reliability" });
  for (const at of [0, 0.25, 0.5, 0.75, 1]) {
    picture.append(
      drawn("line", { x1: x(at), x2: x(at), y1: y(0), y2: y(1), class: "grid" }),
      drawn("line", { x1: x(0), x2: x(1), y1: y(at), y2: y(at), class: "grid" }),
      drawn("text", { x: x(at), y: 326, "text-anchor": "middle" }, `${100 * at}`),
      drawn("text", { x: 34, y: y(at) + 4, "text-anchor": "end" }, `${100 * at}`),
    );
  }
  picture.append(
    drawn("line", { x1: x(0), y1: y(0), x2: x(1), y2: y(1), class: "diagonal" }),
    drawn("path", { d: found.map((one, i) => `${i ? "L" : "M"}${x(one.x).toFixed(1)} ${y(one.y).toFixed(1)}`).join(""), class: "range" }),
    ...found.map((one) => drawn("circle", { cx: x(one.x), cy: y(one.y), r: 3 + 6 * Math.sqrt(one.count / most) }, drawn("title", {}, say.bin(percent(one.x), percent(one.y), one.count)))),
    drawn("text", { x: x(0.5), y: 346, "text-anchor": "middle" }, say.sureAxis),
    drawn("text", { transform: `translate(10 ${y(0.5)}) rotate(-90)`, "text-anchor": "middle" }, say.rightAxis),
  );
  const list = make("details", {}, make("summary", {}, say.asNumbers), make("ul", {}, found.map((one) => make("li", {}, say.bin(percent(one.x), percent(one.y), one.count)))));
  return [picture, list];
}

function corpusTable(corpora) {
  const rows = corpora.map((one) => make("tr", {}, make("th", { scope: "row" }, one.name), make("td", { class: "number" }, String(one.clips)), make("td", { class: "number" }, one.speakers ? String(one.speakers) : say.unknown), make("td", {}, one.licence)));
  return wide(say.corpora, make("table", { class: "plain" }, make("thead", {}, make("tr", {}, say.corpusColumns.map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, rows)));
}
