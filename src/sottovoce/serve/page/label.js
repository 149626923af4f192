// Labelling: stretches one by one, the least certain first, by several people; and what comes of it.

import { hear, keyOf, load } from "./analysis.js";
import * as api from "./api.js";
import { clock, percent, SHORT } from "./answers.js";
import { fill, make, notify, save } from "./dom.js";
import { askConsent, pickRecordings } from "./label_dialogs.js";
import { keepOnService, labelsAsZip } from "./label_files.js";
import { Queue } from "./label_queue.js";
import { results } from "./label_results.js";
import { styles } from "./lane.js";
import * as library from "./library.js";
import { LONGEST_NAME, proposed, rated, ratingOf, speakerOf, units, wordsOf } from "./ratings.js";
import { texts } from "./texts.js";
import { UnitWave, whySilent } from "./unit_wave.js";

/** Show it. */
export async function label(main, given) {
  const page = new Labelling(main, given);
  await page.open();
  return () => page.close();
}

class Labelling {
  constructor(main, { model, profile }) {
    Object.assign(this, { main, model, profile });
    this.looks = styles(model);
    this.proposals = new Map();
    this.faults = new Map();
    this.said = [];
    this.turn = 0;
    this.controller = new AbortController();
    this.keys = (event) => this._key(event);
  }

  async open() {
    const [all, rater, words, picked] = await Promise.all([library.recordings(), library.setting("label.rater", ""), library.setting("label.words", this.model.labels), library.setting("label.recordings", [])]);
    if (!all.length) {
      fill(this.main, make("h1", { class: "hidden" }, texts.pages.label), make("p", { class: "empty" }, texts.label.nothing, " ", make("a", { href: "#/" }, texts.open)));
      return;
    }
    Object.assign(this, { all: new Map(all.map((one) => [one.hash, one])), rater, words });
    this.picked = new Set(picked.filter((hash) => this.all.has(hash)));
    this.keepable = await api.takesCorrections();
    this._build();
    document.addEventListener("keydown", this.keys);
    this._arrange();
    this._hearAll();
  }

  close() {
    this.closed = true;
    this.controller.abort();
    document.removeEventListener("keydown", this.keys);
    this.wave?.destroy();
  }

  /** The recordings that are labelled: those that were picked, or all. */
  get recordings() {
    return [...this.all.values()].filter((one) => !this.picked.size || this.picked.has(one.hash));
  }

  get unit() {
    return this.queue.unit;
  }

  get recording() {
    return this.all.get(this.unit.hash);
  }

  // What stays on the page, whichever stretch is shown.
  _build() {
    const said = texts.label;
    const text = (value, onchange, maxlength = LONGEST_NAME) => make("input", { type: "text", value, maxlength, autocomplete: "off", onchange });
    this.raterField = text(this.rater, () => this._setRater());
    this.wordsField = text(this.words.join(", "), () => this._setWords(), 2000);
    this.pickButton = make("button", { onclick: () => this._pick() });
    this.progress = make("p", { class: "quiet", role: "status" });
    this.title = make("h2", { "aria-live": "polite" });
    this.place = make("div", { class: "unit-wave", role: "group", "aria-label": texts.wave });
    this.from = make("input", { type: "number", min: 0, step: "any", onchange: () => this._typed() });
    this.to = make("input", { type: "number", min: 0, step: "any", onchange: () => this._typed() });
    this.speaker = text("", () => this._setSpeaker());
    this.consent = make("input", { type: "checkbox", onchange: () => this._setConsent(this.recording, this.consent.checked) });
    this.buttons = make("div", { class: "labels", role: "group", "aria-label": said.which });
    this.mine = make("p", { class: "unit-said", role: "status" });
    this.results = make("section", { "aria-label": said.results });
    const keys = [
      [texts.play, said.space, () => this._play()],
      [said.unsure, "0", () => this._say(null)],
      [said.skip, "S", () => this._skip()],
      [texts.undo, "U", () => this._undo()],
      [said.back, "←", () => this._step(-1)],
      [said.forward, "→", () => this._step(1)],
    ];
    this.card = make(
      "section",
      { class: "unit", "aria-label": said.stretch, hidden: true },
      this.title,
      this.place,
      make("div", { class: "label-fields" }, make("label", {}, said.from, this.from), make("label", {}, said.to, this.to), make("label", {}, said.speaker, this.speaker)),
      make("label", { class: "consent" }, this.consent, said.consent, make("kbd", {}, "C")),
      this.buttons,
      make("div", { class: "controls" }, keys.map(([name, key, act]) => button([name, make("kbd", {}, key)], act))),
      this.mine,
    );
    fill(
      this.main,
      make("h1", {}, texts.pages.label),
      make("p", { class: "quiet" }, said.about),
      make("div", { class: "label-fields" }, make("label", {}, said.rater, this.raterField), make("label", { class: "rest" }, said.words, this.wordsField), this.pickButton),
      this.progress,
      this.card,
      this.results,
      make("div", { class: "controls" }, make("button", { class: "primary", onclick: () => this._export() }, said.export), this.keepable && make("button", { onclick: () => this._keep() }, said.keep)),
    );
    this._showWords();
  }

  _showWords() {
    this.labelButtons = this.words.map((word, i) => {
      const made = button([i < 9 && make("kbd", {}, String(i + 1)), word], () => this._say(word));
      made.style.setProperty("--colour", this.looks.get(word)?.colour ?? "var(--line)");
      return made;
    });
    fill(this.buttons, this.labelButtons);
  }

  // Hear what was not heard yet, one recording after another; what is found joins what is still to come.
  async _hearAll() {
    const turn = (this.hearing = {});
    for (const recording of this.recordings) {
      if (this.proposals.has(recording.hash) || this.faults.has(recording.hash)) continue;
      try {
        this.proposals.set(recording.hash, await this._hear(recording));
        if (this.closed || turn !== this.hearing) return;
        if (this.queue.join(this._unitsOf(recording.hash))) this._show();
      } catch (error) {
        if (this.closed || error.name === "AbortError") return;
        this.faults.set(recording.hash, `${recording.name}: ${error.message}`);
      }
      this._showProgress();
    }
  }

  async _hear(recording) {
    const { shape, split } = recording.shape ? recording : await load(recording);
    const kept = recording.analyses?.[keyOf(this.model.name, this.profile, split)];
    const said = kept ?? (await hear(recording, await library.sound(recording.hash), { model: this.model.name, profile: this.profile, split, signal: this.controller.signal }));
    this._changed(await library.recording(recording.hash));
    return proposed(said, { duration: shape.duration, whole: shape.duration <= SHORT });
  }

  _unitsOf(hash) {
    return units(hash, this.proposals.get(hash) ?? [], rated(this.all.get(hash)));
  }

  // Begin anew: after another rater, or other recordings.
  _arrange() {
    this.said = [];
    this.queue = new Queue(this.recordings.flatMap((one) => this._unitsOf(one.hash)), this.rater);
    this._show();
  }

  async _show() {
    this._showProgress();
    this._showResults();
    this.card.hidden = !this.unit;
    const turn = ++this.turn;
    if (!this.unit) return;
    const { unit, recording } = this;
    this.speaker.value = speakerOf(recording, unit.channel);
    this.consent.checked = Boolean(recording.consent);
    this._showBounds();
    this._showMine();
    try {
      if (this.waveOf !== unit.hash) {
        this.wave?.destroy();
        this.wave = this.waveOf = null;
        const { shape } = recording.shape ? recording : await load(recording);
        const blob = await library.sound(unit.hash);
        if (this.closed || turn !== this.turn) return;
        this.wave = new UnitWave(this.place, { blob, shape }, (start, end) => this._bound(start, end));
        this.waveOf = unit.hash;
      }
      await this.wave.show(unit);
      if (turn === this.turn) this._play();
    } catch (error) {
      notify(error.message);
    }
  }

  _showBounds() {
    const { start, end, channel } = this.unit;
    this.title.textContent = texts.label.title(this.recording.name, clock(start), clock(end), channel);
    this.from.value = start.toFixed(2);
    this.to.value = end.toFixed(2);
  }

  _showMine() {
    const mine = ratingOf(this.unit, this.rater);
    const { heard, confidence } = this.unit;
    this.labelButtons.forEach((one, i) => one.setAttribute("aria-pressed", mine?.label === this.words[i] ? "true" : "false"));
    const corrected = this.unit.ratings.find((one) => one.corrected);
    const sure = confidence === undefined || confidence === null ? "" : percent(confidence);
    this.mine.textContent = mine ? texts.label.said(mine.label, heard, sure) : corrected ? texts.label.correctedTo(corrected.label) : "";
  }

  _showProgress() {
    const { all, open } = this.queue;
    const waiting = this.recordings.filter((one) => !this.proposals.has(one.hash) && !this.faults.has(one.hash)).length;
    const faults = this.recordings.map((one) => this.faults.get(one.hash)).filter(Boolean);
    this.pickButton.textContent = texts.label.picked(this.recordings.length, this.all.size);
    fill(this.progress, texts.label.progress(all.length - open, all.length, waiting), faults.map((fault) => make("span", { class: "problem" }, ` ${fault}`)));
  }

  _showResults() {
    const stretches = this.recordings.flatMap((recording) => rated(recording).map((one) => ({ ...one, speaker: speakerOf(recording, one.channel), consent: recording.consent })));
    fill(this.results, results(stretches, this.words));
  }

  _play() {
    this.wave?.play(this.unit.start, this.unit.end).catch((error) => error.name !== "AbortError" && notify(whySilent(error)));
  }

  _step(by) {
    if (this.queue.step(by)) this._show();
  }

  _skip() {
    this.queue.skip();
    this._show();
  }

  // Say what it is; null is "unsure". The next comes at once, while this is written down.
  _say(word) {
    const unit = this.unit;
    const before = ratingOf(unit, this.rater);
    const { start, end, channel, heard, confidence, model } = unit;
    const rating = { start, end, channel, label: word, rater: this.rater, at: Date.now(), heard, confidence, model };
    this.said.push({ unit, before, rating });
    this._replace(unit, before, rating);
    this.queue.onward();
    this._show();
  }

  _undo() {
    const last = this.said.pop();
    if (!last) return;
    this._replace(last.unit, last.rating, last.before);
    this.queue.goTo(last.unit);
    this._show();
  }

  // Put one rating in the place of another, either of which may be none.
  _replace(unit, old, rating) {
    const isOld = (one) => old && one.at === old.at && one.rater === old.rater && one.label === old.label;
    const swap = (ratings) => [...ratings.filter((one) => !isOld(one)), ...(rating ? [rating] : [])];
    unit.ratings = swap(unit.ratings);
    return this._change(unit.hash, ({ ratings = [] }) => ({ ratings: swap(ratings) }));
  }

  async _change(hash, update) {
    try {
      this._changed(await library.change(hash, update));
    } catch (error) {
      notify(texts.label.notKept(error.message));
    }
    if (!this.closed) this._showResults();
  }

  _changed(recording) {
    if (recording) this.all.set(recording.hash, recording);
  }

  _typed() {
    const [start, end] = [Number(this.from.value), Math.min(Number(this.to.value), this.wave.duration)];
    if (start >= 0 && end > start) this._bound(start, end);
    else this._showBounds();
  }

  // Boundaries were moved: what was said of the stretch holds within the new ones.
  _bound(start, end) {
    const unit = this.unit;
    Object.assign(unit, { start, end });
    this.wave.move(start, end);
    this._showBounds();
    const mine = ratingOf(unit, this.rater);
    if (mine) {
      const moved = { ...mine, start, end, at: Date.now() };
      for (const one of this.said) if (one.rating === mine) one.rating = moved;
      this._replace(unit, mine, moved);
    }
    this._play();
  }

  _setSpeaker() {
    const [channel, name] = [this.unit.channel ?? "", this.speaker.value.trim()];
    return this._change(this.unit.hash, ({ speakers }) => ({ speakers: { ...speakers, [channel]: name } }));
  }

  _setConsent(recording, agreed) {
    return this._change(recording.hash, () => ({ consent: agreed ? Date.now() : null }));
  }

  async _setRater() {
    this.rater = this.raterField.value.trim();
    this._arrange(); // at once: the next key is this rater's
    await library.set("label.rater", this.rater);
  }

  async _setWords() {
    const { words, faults } = wordsOf(this.wordsField.value);
    if (faults.length) notify(texts.label.noWords(faults));
    if (words.length) this.words = words;
    this.wordsField.value = this.words.join(", ");
    this._showWords();
    if (this.unit) this._showMine();
    this._showResults();
    await library.set("label.words", this.words);
  }

  async _pick() {
    const chosen = await pickRecordings([...this.all.values()], new Set(this.recordings.map((one) => one.hash)));
    if (!chosen) return;
    this.picked = chosen.size === this.all.size ? new Set() : chosen;
    this._arrange();
    this._hearAll();
    await library.set("label.recordings", [...this.picked]);
  }

  // Ask of each recording that was labelled and not agreed to; false where nothing may leave the page.
  async _agreed(act) {
    const labelled = () => this.recordings.filter((one) => rated(one).length);
    const open = labelled().filter((one) => !one.consent);
    const asked = [];
    if (open.length && !(await askConsent(open, act, (one, agreed) => asked.push(this._setConsent(one, agreed))))) return false;
    await Promise.all(asked);
    if (this.unit) this.consent.checked = Boolean(this.recording.consent);
    const some = labelled().some((one) => one.consent);
    if (!some) notify(texts.label.nothingAgreed);
    return some;
  }

  async _export() {
    if (!(await this._agreed(texts.label.export))) return;
    try {
      const { zip, count } = await labelsAsZip(this.recordings, this.words);
      save("sottovoce-labels.zip", zip, "application/zip");
      notify(texts.label.exported(count));
    } catch (error) {
      notify(error.message);
    }
  }

  async _keep() {
    if (!(await this._agreed(texts.label.keep))) return;
    try {
      const { sent, failed } = await keepOnService(this.recordings, (count) => (this.progress.textContent = texts.label.sending(count)));
      notify(texts.label.sent(sent, failed));
    } catch (error) {
      notify(error.message);
    }
    this._showProgress();
  }

  _key(event) {
    const { key, target } = event;
    if (!this.unit || event.repeat || event.ctrlKey || event.metaKey || event.altKey || target.closest("input:not([type=checkbox]), select, textarea, dialog")) return;
    if (key === " " && target.closest("button, a, input")) return;
    const word = /^[1-9]$/.test(key) && this.words[Number(key) - 1];
    const unsure = () => this._say(null);
    const acts = { " ": () => this._play(), 0: unsure, "?": unsure, s: () => this._skip(), u: () => this._undo(), c: () => this.consent.click(), ArrowLeft: () => this._step(-1), ArrowRight: () => this._step(1) };
    const act = word ? () => this._say(word) : acts[key.length === 1 ? key.toLowerCase() : key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

// A button that gives the space bar back to the page once it was clicked.
function button(content, act) {
  return make(
    "button",
    {
      onclick: ({ currentTarget, detail }) => {
        if (detail) currentTarget.blur();
        act();
      },
    },
    content,
  );
}
