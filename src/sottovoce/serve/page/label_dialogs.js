// What labelling asks in dialogs: which recordings, and whether their people agree.

import { answer, ask, make } from "./dom.js";
import { texts } from "./texts.js";

/** Which of the recordings to label: a Set of their hashes; null where nobody chose. */
export async function pickRecordings(all, picked) {
  const boxes = all.map((one) => ({ one, box: make("input", { type: "checkbox", checked: picked.has(one.hash) }) }));
  const said = await ask(
    make("h2", {}, texts.label.pickTitle),
    make("div", { class: "picks" }, boxes.map(({ one, box }) => make("label", {}, box, one.name))),
    actions(texts.label.pick),
  );
  const chosen = boxes.filter(({ box }) => box.checked).map(({ one }) => one.hash);
  return said === "yes" && chosen.length ? new Set(chosen) : null;
}

/** Ask of each of these recordings whether its people agree, each on its own; false where it was cancelled. */
export async function askConsent(recordings, act, onAnswer) {
  const said = await ask(
    make("h2", {}, act),
    make("p", {}, texts.label.consentAsk),
    make("div", { class: "picks" }, recordings.map((one) => make("label", {}, make("input", { type: "checkbox", onchange: ({ target }) => onAnswer(one, target.checked) }), one.name))),
    actions(act),
  );
  return said === "yes";
}

function actions(act) {
  return make("p", { class: "actions" }, make("button", { class: "primary", onclick: () => answer("yes") }, act), make("button", { onclick: () => answer() }, texts.cancel));
}
