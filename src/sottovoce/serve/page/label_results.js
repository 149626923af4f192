// What labelling came to so far: counts by speaker and label, and how far raters agree.

import { krippendorff } from "./answers.js";
import { make, wide } from "./dom.js";
import { counts, labelsOf, majority } from "./ratings.js";
import { texts } from "./texts.js";

/** Elements for rated stretches, each with its speaker and whether its people agreed. */
export function results(stretches, words) {
  const said = texts.label;
  if (!stretches.length) return [];
  const decided = stretches.map((one) => ({ ...one, ...majority(one.ratings) }));
  const rows = decided.filter((one) => one.label);
  const ties = decided.filter((one) => one.tie).length;
  const agreed = rows.filter((one) => one.consent).length;
  return [
    make("h2", {}, said.results),
    rows.length ? wide(said.counts, table(counts(rows, words))) : null,
    make("p", {}, agreement(stretches)),
    make("p", { class: "quiet" }, said.agreed(agreed, rows.length), ties ? ` ${said.ties(ties)}` : ""),
  ];
}

function table({ labels, rows }) {
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const line = (kind, head, numbers) => make("tr", {}, make(kind, { scope: "row" }, head), numbers.map((n) => make("td", {}, String(n))), make("td", {}, make("b", {}, String(sum(numbers)))));
  return make(
    "table",
    { class: "counts" },
    make("caption", {}, texts.label.counts),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, texts.label.speaker), labels.map((label) => make("th", { scope: "col" }, label)), make("th", { scope: "col" }, texts.all))),
    make("tbody", {}, rows.map(([speaker, numbers]) => line("th", speaker || texts.label.noSpeaker, numbers))),
    make("tfoot", {}, line("th", texts.all, labels.map((_, i) => sum(rows.map(([, numbers]) => numbers[i]))))),
  );
}

function agreement(stretches) {
  const compared = stretches.map((one) => labelsOf(one.ratings)).filter((labels) => labels.length > 1);
  if (!compared.length) return texts.label.noAgreement;
  const alpha = krippendorff(compared);
  return alpha === null ? texts.label.sameLabel(compared.length) : texts.label.alpha(alpha, compared.length);
}
