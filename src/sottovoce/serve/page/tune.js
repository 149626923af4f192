// Tune in: a profile of recordings that belong together, what it changes, and what becomes of it.

import { keyOf } from "./analysis.js";
import * as api from "./api.js";
import { cutInMiddle, percent } from "./answers.js";
import { answer, ask, fill, make, notify, wide } from "./dom.js";
import { styles, words } from "./lane.js";
import * as library from "./library.js";
import { doubts } from "./profiles.js";
import { texts } from "./texts.js";

const say = texts.tuning;

/** Ask about a profile in a dialog that stays until something is chosen. */
export async function tune({ recording, model, card, profile, chooseProfile }) {
  const place = make("div", { class: "tuning" });
  const close = make("button", { onclick: () => answer() }, texts.cancel);
  if (!card.profiles || card.adapted) {
    await ask(make("h2", {}, texts.tune), make("p", {}, say.none(card.name)), make("p", { class: "actions" }, close));
    return;
  }
  const [known, kept] = await Promise.all([library.recordings(), library.profiles()]);
  const controller = new AbortController();
  const dialog = new Tuning(place, { recording, model, card, profile, known, kept: kept.filter((one) => belongsTo(one, card)), signal: controller.signal });
  dialog.choose();
  const said = await ask(make("h2", {}, texts.tune), place);
  controller.abort();
  if (said === "off") await chooseProfile(null);
  else if (said.startsWith("use ")) await chooseProfile(kept.find((one) => one.id === said.slice(4)));
  else if (said === "keep") {
    const made = { id: String(Date.now()), name: dialog.name, content: dialog.content };
    await library.keepProfile(made);
    await chooseProfile(made);
    notify(say.kept(made.name));
  } else if (dialog.forgotten.has(profile?.id)) await chooseProfile(null);
}

function belongsTo(profile, card) {
  return profile.content.model === `${card.name} ${card.version}`;
}

class Tuning {
  constructor(place, given) {
    Object.assign(this, given);
    this.place = place;
    this.looks = styles(this.model);
    this.chosen = new Set([this.recording.hash]);
    this.kind = "mixed";
    this.name = "";
    this.forgotten = new Set();
  }

  // First: which recordings, and how they were spoken.
  choose(problem = "") {
    const hint = make("p", { class: "quiet", "aria-live": "polite" });
    const listen = make("button", { class: "primary", onclick: () => this.listen() }, say.listen);
    const count = () => {
      hint.textContent = this.chosen.size ? say.enough(this.kind, this.chosen.size) : say.choose;
      listen.disabled = !this.chosen.size;
    };
    const box = (one) => {
      const toggle = ({ target }) => {
        if (target.checked) this.chosen.add(one.hash);
        else this.chosen.delete(one.hash);
        count();
      };
      return make("label", {}, make("input", { type: "checkbox", value: one.hash, checked: this.chosen.has(one.hash), onchange: toggle }), cutInMiddle(one.name, 44));
    };
    const radio = (kind) =>
      make("label", {}, make("input", { type: "radio", name: "kind", value: kind, checked: this.kind === kind, onchange: () => { this.kind = kind; count(); } }), make("span", {}, make("b", {}, say.kinds[kind][0]), ` ${say.kinds[kind][1]}`));
    const all = make("button", { class: "link", onclick: () => { for (const one of this.known) this.chosen.add(one.hash); this.choose(); } }, say.all);
    fill(
      this.place,
      make("p", {}, say.about),
      this._kept(),
      make("fieldset", {}, make("legend", {}, say.which), make("div", { class: "choices" }, this.known.map(box)), this.known.length > 2 ? all : ""),
      make("fieldset", {}, make("legend", {}, say.how), ["mixed", "normal"].map(radio)),
      hint,
      problem ? make("p", { class: "problem", role: "alert" }, problem) : "",
      make("p", { class: "quiet" }, say.privacy),
      make("p", { class: "actions" }, listen, make("button", { onclick: () => answer() }, texts.cancel)),
    );
    count();
  }

  // Profiles of this model that were kept, each to be used or forgotten; and the one in use to be taken off.
  _kept() {
    const rest = this.kept.filter((one) => !this.forgotten.has(one.id));
    if (!rest.length && !this.profile) return "";
    const row = (one) =>
      make(
        "li",
        {},
        make("span", {}, one.name, make("span", { class: "quiet" }, ` ${say.madeOf(one.content)}`)),
        one.id === this.profile?.id ? make("button", { onclick: () => answer("off") }, say.off) : make("button", { "aria-label": `${say.use}: ${one.name}`, onclick: () => answer(`use ${one.id}`) }, say.use),
        make("button", { class: "link", "aria-label": `${texts.forget} ${one.name}`, onclick: () => this._forget(one) }, texts.forget),
      );
    return [make("h3", {}, say.yours), make("ul", { class: "list profiles" }, rest.map(row))];
  }

  async _forget(one) {
    await forgetProfile(one.id);
    this.forgotten.add(one.id);
    notify(texts.forgotten(one.name));
    this.choose();
  }

  // Then: the profile is made, and every recording is judged without it and with it.
  async listen() {
    const chosen = this.known.filter((one) => this.chosen.has(one.hash));
    const bar = make("progress", { max: 2 * chosen.length + 1, value: 0 });
    fill(this.place, make("p", { role: "status" }, say.listening(chosen.length)), bar, make("p", { class: "actions" }, make("button", { onclick: () => answer() }, texts.cancel)));
    try {
      const files = [];
      for (const one of chosen) files.push({ blob: await library.sound(one.hash), name: one.name });
      this.content = await api.profile(files, { model: this.model.name, kind: this.kind });
      bar.value = 1;
      const rows = [];
      for (const [i, one] of chosen.entries()) {
        const before = one.analyses?.[keyOf(this.model.name, null, false)]?.prediction ?? (await api.predict(files[i].blob, one.name, { model: this.model.name, signal: this.signal }));
        bar.value += 1;
        const after = await api.predict(files[i].blob, one.name, { model: this.model.name, profile: this.content, signal: this.signal });
        bar.value += 1;
        rows.push({ recording: one, before, after });
      }
      if (!this.signal.aborted) this.show(rows);
    } catch (error) {
      if (!this.signal.aborted) this.choose(error.message);
    }
  }

  // Last: what changed, what is doubtful, and whether it is kept.
  show(rows) {
    this.name ||= say.suggested(this.recording.name);
    const field = make("input", { type: "text", value: this.name, maxlength: 80, required: true });
    const keep = () => {
      this.name = field.value.trim() || this.name;
      answer("keep");
    };
    const notes = [...doubts(this.content, this.card.profiles).map((one) => say.doubts[one](this.content)), ...this.content.left_out];
    const changed = rows.filter(({ before, after }) => before.emotion !== after.emotion || before.status !== after.status).length;
    const row = ({ recording, before, after }) =>
      make("tr", { class: before.emotion === after.emotion && before.status === after.status ? "" : "changed" }, make("th", { scope: "row", title: recording.name }, cutInMiddle(recording.name, 28)), make("td", {}, this._said(before)), make("td", {}, this._said(after)));
    fill(
      this.place,
      make("p", {}, say.changed(changed, rows.length)),
      notes.length ? make("div", { class: "doubts", role: "alert" }, make("b", {}, say.doubtful), make("ul", {}, notes.map((one) => make("li", {}, one)))) : "",
      wide(say.changes, make("table", { class: "plain" }, make("thead", {}, make("tr", {}, say.columns.map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, rows.map(row)))),
      make("p", { class: "quiet" }, say.better),
      make("label", { class: "controls" }, say.called, field),
      make("p", { class: "quiet" }, say.privacy),
      make("p", { class: "actions" }, make("button", { class: "primary", onclick: keep }, say.keep), make("button", { onclick: () => this.choose() }, say.back), make("button", { onclick: () => answer() }, say.drop)),
    );
    field.focus();
  }

  _said(prediction) {
    if (!prediction.emotion) return words({ ...prediction, emotion: null });
    return [make("i", { class: "dot", style: { "--colour": this.looks.get(prediction.emotion)?.colour ?? "transparent" } }), `${words(prediction)} ${percent(prediction.confidence)}`];
  }
}

// A profile goes with what was heard with it.
async function forgetProfile(id) {
  await library.forgetProfile(id);
  for (const one of await library.recordings()) {
    const of = (key) => key.split("|")[1] === id;
    if (Object.keys(one.analyses ?? {}).some(of)) await library.change(one.hash, ({ analyses }) => ({ analyses: Object.fromEntries(Object.entries(analyses).filter(([key]) => !of(key))) }));
  }
}
