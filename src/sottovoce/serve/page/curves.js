// Probabilities over time: the strongest emotions as lines, told apart by dashes too.

import { top } from "./answers.js";
import { drawn, make } from "./dom.js";
import { texts } from "./texts.js";

/** The three labels with most of the probability over segments that were judged. */
export function strongest(segments) {
  const sums = {};
  for (const one of segments) {
    if (one.emotion === null || one.emotion === undefined) continue;
    for (const [label, value] of Object.entries(one.probabilities)) sums[label] = (sums[label] ?? 0) + value;
  }
  return top(sums).map(([label]) => label);
}

/** Them as lines, over `duration` s that begin at `from` s. */
export function curves(segments, duration, looks, { from = 0, labels = strongest(segments) } = {}) {
  const picture = drawn("svg", { class: "curves", viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": `${texts.curves}: ${labels.join(", ")}` });
  for (const [rank, label] of labels.entries()) {
    let path = "";
    let open = false;
    for (const one of segments) {
      const value = one.probabilities?.[label];
      if (value === undefined) {
        open = false;
        continue;
      }
      const x = 1000 * ((one.start + one.end) / 2 - from) / duration;
      path += `${open ? "L" : "M"}${x.toFixed(2)} ${(100 - 96 * value - 2).toFixed(1)}`;
      open = true;
    }
    const line = drawn("path", { d: path || "M0 100", class: `curve rank${rank}`, "vector-effect": "non-scaling-stroke" });
    line.style.setProperty("--colour", looks.get(label)?.colour ?? "gray");
    picture.append(line);
  }
  const key = make("div", { class: "curve-key", "aria-hidden": "true" }, labels.map((label, rank) => make("span", { class: `rank${rank}`, style: { "--colour": looks.get(label)?.colour } }, label)));
  return make("div", { class: "curve-row" }, picture, key);
}
