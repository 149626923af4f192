// A report of one recording, from its data alone: what the file shows that `report.html` becomes.

import { clock, percent, rightness, shares, stretches, top } from "./answers.js";
import { curves, strongest } from "./curves.js";
import { drawn, make, wide } from "./dom.js";
import { lane, styles, words } from "./lane.js";
import { texts } from "./texts.js";

/** Where a recording of `duration` s is broken into rows: [{from, to}]; each stands for `seconds`. */
export function rowsOf(duration) {
  const seconds = duration <= 150 ? duration : [120, 300, 600, 1800].find((one) => duration <= 20 * one) ?? 3600;
  const rows = [];
  for (let from = 0; from < duration - 1e-6 || !rows.length; from += seconds) rows.push({ from, to: Math.min(duration, from + seconds) });
  return { seconds, rows };
}

/** Show a report; `data` is what `reportData` of report.js gives, and `sottovoce.export.report`. */
export function showReport(place, data) {
  document.title = `${data.name} · ${texts.name}`;
  const looks = styles(data.model);
  const sound = data.audio ? new Sound(data.audio) : null;
  document.body.classList.toggle("playable", Boolean(sound));
  const play = (start, end) => sound?.play(start, end);
  const labels = strongest(data.segments);
  const { seconds, rows } = rowsOf(data.duration);
  const drawnRows = rows.map((row) => timeRow(data, row, { seconds, looks, labels, play }));
  const all = stretches(data.segments).filter((one) => one.emotion !== null);
  const list = all.map((one) => stretchRow(one, looks, sound));
  place.replaceChildren(
    make("h1", {}, data.name),
    make("p", { class: "quiet" }, texts.report.made(data.duration < 60 ? `${data.duration.toFixed(1)} s` : clock(data.duration, 0), data)),
    headline(data, looks),
    data.warnings.length ? make("ul", { class: "warnings", "aria-label": texts.warnings }, data.warnings.map((one) => make("li", {}, one))) : "",
    sound ? make("div", { class: "playing" }, sound.media) : "",
    make("section", { "aria-label": texts.report.time }, drawnRows.map((row) => row.element)),
    make("h2", {}, texts.stretches),
    all.length ? stretchTable(list, sound) : make("p", { class: "quiet" }, texts.report.nothing),
    all.some((one) => one.corrected) ? make("p", { class: "quiet" }, texts.report.corrected) : "",
    modelInShort(data.card),
  );
  sound?.follow((time) => {
    for (const row of drawnRows) row.follow(time);
    for (const row of list) row.toggleAttribute("aria-current", Number(row.dataset.start) <= time && time < Number(row.dataset.end));
  });
}

function headline({ prediction, segments, reliability }, looks) {
  if (!prediction) {
    const found = shares(segments);
    const chips = found.map(([label, share]) => make("span", { class: "chip", style: { "--colour": looks.get(label)?.colour ?? "gray" } }, make("i", { class: "dot" }), label, make("b", {}, percent(share))));
    return make("div", { class: "verdict" }, found.length ? make("p", { class: "quiet" }, texts.shares) : make("p", {}, texts.report.nothing), make("div", { class: "chips" }, chips));
  }
  if (!prediction.emotion) return make("div", { class: "verdict answer" }, make("p", { class: "emotion" }, prediction.message || words({ ...prediction, emotion: null })));
  const right = rightness(reliability, prediction.confidence);
  const others = top(prediction.probabilities).slice(1);
  return make(
    "div",
    { class: `verdict answer ${prediction.status}`, style: { "--colour": looks.get(prediction.emotion)?.colour ?? "transparent" } },
    make("p", { class: "emotion" }, words(prediction)),
    make("p", {}, `${texts.sure(percent(prediction.confidence))}; ${others.map(([label, share]) => `${label} ${percent(share)}`).join(", ")}`),
    make("p", { class: "quiet" }, right === null ? texts.noRight : texts.right(percent(right))),
  );
}

// One row of the time axis: ticks, waveform, and a lane with its curves for each channel.
function timeRow(data, { from, to }, { seconds, looks, labels, play }) {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((one) => seconds <= 12 * one) ?? 1200;
  const ticks = [];
  for (let time = from; time < Math.min(to, from + 0.95 * seconds); time += step) ticks.push(make("span", { style: { left: `${(100 * (time - from)) / seconds}%` } }, clock(time, 0)));
  const cursor = make("div", { class: "cursor", hidden: true });
  const channels = [...new Set(data.segments.map((one) => one.channel ?? null))].sort((a, b) => (a ?? 0) - (b ?? 0));
  const inRow = (one) => one.start < to - 1e-6 && one.end > from + 1e-6;
  const element = make(
    "div",
    { class: "report-row" },
    make("div", { class: "report-axis", "aria-hidden": "true" }, ticks),
    data.peaks.map((peaks) => wave(peaks, data.duration, from, to, seconds, play)),
    channels.map((channel) => {
      const segments = data.segments.filter((one) => (one.channel ?? null) === channel);
      const cut = stretches(segments).filter(inRow).map((one) => ({ ...one, start: Math.max(from, one.start), end: Math.min(to, one.end) }));
      return [
        channel === null ? "" : make("div", { class: "lane-name" }, texts.lane(channel)),
        lane(cut, seconds, looks, { label: texts.lane(channel), from, choose: (one, how) => how === "click" && play(one.start, one.end) }),
        curves(segments.filter(inRow), seconds, looks, { from, labels }),
      ];
    }),
    cursor,
  );
  return {
    element,
    follow(time) {
      cursor.hidden = time < from || time >= to;
      cursor.style.left = `${(100 * (time - from)) / seconds}%`;
    },
  };
}

// Peaks are [highest, lowest] of each part in turn, in percent of the loudest sample.
function wave(peaks, duration, from, to, seconds, play) {
  const count = peaks.length / 2;
  const x = (i) => ((1000 * (((i + 0.5) * duration) / count - from)) / seconds).toFixed(1);
  const first = Math.floor((from / duration) * count);
  const last = Math.min(count, Math.ceil((to / duration) * count));
  let [above, below] = ["", ""];
  for (let i = first; i < last; i += 1) {
    above += `${above ? "L" : "M"}${x(i)} ${49.5 - peaks[2 * i] / 2.1}`;
    below = `L${x(i)} ${50.5 - peaks[2 * i + 1] / 2.1}${below}`;
  }
  const picture = drawn("svg", { class: "report-wave", viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": texts.wave }, drawn("path", { d: above ? `${above}${below}Z` : "M0 50" }));
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    play(from + ((event.clientX - box.left) / box.width) * seconds, Infinity);
  });
  return picture;
}

function stretchRow(one, looks, sound) {
  return make(
    "tr",
    { class: one.status, "data-start": one.start, "data-end": one.end, style: { "--colour": looks.get(one.emotion)?.colour ?? "gray" } },
    sound ? make("td", {}, make("button", { "aria-label": texts.playStretch(clock(one.start), clock(one.end), words(one)), onclick: () => sound.play(one.start, one.end) }, "▶")) : "",
    make("td", { class: "number" }, `${clock(one.start)}–${clock(one.end)}`, one.channel === null ? "" : ` · ${one.channel}`),
    make("td", { class: "what" }, make("i", { class: "dot" }), words(one), one.corrected ? " ✎" : ""),
    make("td", { class: "number" }, percent(one.confidence)),
    make("td", { class: "quiet" }, top(one.probabilities, 4).filter(([label]) => label !== one.emotion).slice(0, 2).map(([label, share]) => `${label} ${percent(share)}`).join(", ")),
  );
}

function stretchTable(rows, sound) {
  const heads = texts.report.columns.map((name) => make("th", { scope: "col" }, name));
  return wide(texts.stretches, make("table", { class: "plain" }, make("thead", {}, make("tr", {}, sound ? make("td", {}) : "", heads)), make("tbody", {}, rows)));
}

function modelInShort(card) {
  return make(
    "section",
    { class: "report-card" },
    make("h2", {}, texts.report.model(card)),
    make("p", {}, card.description),
    make("p", {}, texts.limits(card)),
    card.protocol.optimistic ? make("p", { class: "problem" }, texts.modelsPage.optimistic) : "",
    make("ul", {}, card.limits.map((one) => make("li", {}, one))),
    make("p", { class: "quiet" }, texts.report.facts(card)),
    make("p", { class: "quiet" }, texts.law),
  );
}

// The recording, where it is in the file: it plays a stretch and stops at its end.
class Sound {
  constructor({ type, content }) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    this.media = make("audio", { controls: true, src: URL.createObjectURL(new Blob([bytes], { type })) });
    this.media.addEventListener("error", () => this.media.replaceWith(make("p", { class: "quiet" }, texts.unsupported)), { once: true });
    this.media.addEventListener("seeking", () => (this.until = this.next));
    this.until = Infinity;
    this.next = Infinity;
  }

  play(start, end) {
    this.next = end;
    this.media.currentTime = start;
    this.media.addEventListener("seeked", () => (this.next = Infinity), { once: true });
    this.media.play().catch(() => {});
  }

  follow(listener) {
    this.media.addEventListener("timeupdate", () => {
      const time = this.media.currentTime;
      if (time >= this.until - 0.02 && !this.media.paused) {
        this.media.pause();
        this.until = Infinity;
      }
      listener(time);
    });
  }
}
