// The emotion lane: a block for each stretch, told apart by word, letter or hatching, never by colour alone.

import { clock, percent, top } from "./answers.js";
import { make } from "./dom.js";
import { texts } from "./texts.js";

/** How an emotion is shown: {colour, letter, hatching}, by the model's labels. */
export function styles(model) {
  return new Map(
    model.labels.map((label) => [label, { colour: model.colours[label], letter: model.letters[label], hatching: model.hatchings[label] }]),
  );
}

/** What a stretch is, in words. */
export function words(stretch) {
  if (stretch.emotion === null) return texts.statuses[stretch.status] ?? stretch.status;
  return stretch.status === "uncertain" ? texts.perhaps(stretch.emotion) : stretch.emotion;
}

/** "Happy 62 %, sad 20 %, neutral 10 %" */
export function topWords(probabilities) {
  return top(probabilities).map(([label, share]) => `${label} ${percent(share)}`).join(", ");
}

/** One block of a lane that begins at `from` s; `more` are further attributes. */
function block(tag, one, duration, looks, { filter = null, from = 0, ...more } = {}) {
  const look = looks.get(one.emotion);
  return make(
    tag,
    {
      class: `block ${one.status} ${one.corrected ? "corrected" : ""} ${filter && one.emotion !== filter ? "aside" : ""}`,
      "data-hatching": look?.hatching,
      "data-start": one.start,
      style: {
        left: `${(100 * (one.start - from)) / duration}%`,
        width: `${(100 * (one.end - one.start)) / duration}%`,
        "--colour": look?.colour ?? "transparent",
      },
      ...more,
    },
    one.emotion === null ? [] : [make("span", { class: "word" }, words(one)), make("span", { class: "letter", "aria-hidden": "true" }, look?.letter ?? "")],
  );
}

/** A lane to look at only: one picture, without a stop for Tab. */
export function still(stretches, duration, looks, label) {
  return make("div", { class: "lane", role: "img", "aria-label": label }, stretches.map((one) => block("span", one, duration, looks)));
}

/**
 * A lane of `duration` s that begin at `from` s: blocks are placed in percent of it, so that zooming moves nothing by hand.
 *
 * One of them can be reached by Tab; arrows go on from there. `choose(stretch, how)` is called with "click" or "focus".
 */
export function lane(stretches, duration, looks, { label, choose, filter = null, from = 0 }) {
  const element = make("div", { class: "lane", role: "group", "aria-label": label });
  stretches.forEach((one, i) => {
    element.append(
      block("button", one, duration, looks, {
        filter,
        tabindex: i === 0 ? 0 : -1,
        "aria-label": `${clock(one.start)} to ${clock(one.end)}: ${words(one)}`,
        title: one.emotion === null ? words(one) : `${clock(one.start)} ${topWords(one.probabilities)}`,
        from,
        onclick: () => choose(one, "click"),
        onfocus: () => choose(one, "focus"),
      }),
    );
  });
  element.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!step) return;
    const blocks = [...element.children];
    const at = Math.min(blocks.length - 1, Math.max(0, blocks.indexOf(document.activeElement) + step));
    for (const block of blocks) block.tabIndex = -1;
    blocks[at].tabIndex = 0;
    blocks[at].focus();
    event.preventDefault();
    event.stopPropagation();
  });
  return element;
}
