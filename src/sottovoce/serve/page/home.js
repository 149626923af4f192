// The first page: open recordings, listen live, try a sample; and what was heard before.

import { clock, cutInMiddle, percent, verdict } from "./answers.js";
import * as api from "./api.js";
import { answer, ask, fill, make, notify } from "./dom.js";
import * as library from "./library.js";
import { styles, words } from "./lane.js";
import { texts } from "./texts.js";

/** Show it. */
export async function home(main, { ready, open, samples }) {
  const list = make("div", { class: "recent" });
  const limits = make("p");
  const picker = make("input", { type: "file", multiple: true, accept: "audio/*,video/*,.opus,.flac,.amr,.caf,.w64,.aiff,.au", class: "hidden", tabindex: -1, "aria-hidden": "true", onchange: () => open([...picker.files]) });
  fill(
    main,
    make(
      "section",
      { class: "hero" },
      make("h1", {}, texts.name),
      make("p", { class: "lead" }, texts.about),
      make(
        "div",
        { class: "actions" },
        make("button", { class: "primary", onclick: () => picker.click() }, texts.open),
        make("a", { class: "button", href: "#/live" }, texts.live),
        picker,
      ),
      make("p", { class: "quiet" }, texts.openHint),
      make(
        "p",
        { class: "samples" },
        make("span", {}, `${texts.samples}: `),
        samples.map((name) => make("button", { class: "link", onclick: () => openSample(name, open) }, texts.sampleNames[name] ?? name)),
      ),
    ),
    list,
    make("footer", { class: "limits" }, limits, make("p", { class: "quiet" }, texts.law)),
  );
  const { model, card } = await ready;
  fill(limits, texts.limits(card));
  const show = async () => {
    const known = await library.recordings();
    fill(list, make("h2", {}, texts.recent), known.length ? table(known, model, show) : make("p", { class: "quiet" }, texts.none));
  };
  await show();
  return library.onChange(show);
}

async function openSample(name, open) {
  const blob = await (await fetch(`page/samples/${name}`)).blob();
  await open([new File([blob], name, { type: "audio/wav" })]);
}

function table(known, model, show) {
  const looks = styles(model);
  const rows = known.slice(0, 50).map((one) => {
    const heard = Object.entries(one.analyses ?? {});
    const [, said] = heard.find(([key]) => key.startsWith(`${model.name}|`)) ?? heard[0] ?? [];
    return make(
      "li",
      {},
      make("a", { href: `#/r/${one.hash}`, title: one.name }, cutInMiddle(one.name)),
      make("span", { class: "quiet" }, one.duration ? clock(one.duration) : ""),
      make("span", {}, said ? said_(verdict(said, one.corrections), looks) : ""),
      make("button", { class: "link", "aria-label": `${texts.forget} ${one.name}`, onclick: () => library.forget(one.hash).then(show).then(() => notify(texts.forgotten(one.name))) }, texts.forget),
    );
  });
  return [make("ul", { class: "list" }, rows), make("p", {}, make("button", { class: "link", onclick: () => forgetAll(show) }, texts.forgetAll))];
}

function said_(found, looks) {
  const look = looks.get(found.emotion);
  const how = found.share === null ? percent(found.confidence ?? 0) : texts.ofTime(percent(found.share));
  const text = found.emotion ? `${words(found)} ${how}` : words({ ...found, emotion: null });
  return [make("i", { class: "dot", style: { "--colour": look?.colour ?? "transparent" } }), text];
}

async function forgetAll(show) {
  const said = await ask(
    make("p", {}, texts.forgetAllSure),
    make("p", { class: "actions" }, make("button", { onclick: () => answer("yes") }, texts.forgetAll), make("button", { onclick: () => answer() }, texts.cancel)),
  );
  if (said !== "yes") return;
  await library.forgetEverything();
  await show();
}
