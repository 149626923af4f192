// Two to four models as lanes under one waveform: what each says, and where they disagree.

import { answered, disagreements } from "./agreement.js";
import { hear, load } from "./analysis.js";
import * as api from "./api.js";
import { clock, cutInMiddle, percent, SHORT, stretches } from "./answers.js";
import { choice, fill, make, notify } from "./dom.js";
import { styles, words } from "./lane.js";
import * as library from "./library.js";
import { headline } from "./models.js";
import { texts } from "./texts.js";
import { Track } from "./track.js";

const say = texts.comparing;
const MOST = 4;

/** Show the screen for the recording in the address, the last that was looked at, or the newest. */
export async function compare(main, { hash, recording: last, models, model, chooseModel, go }) {
  const known = await library.recordings();
  const recording = known.find((one) => one.hash === (hash ?? last)) ?? (hash ? null : known[0]);
  const head = make("h1", {}, texts.pages.compare);
  if (!recording || models.length < 2) {
    fill(main, head, make("p", { class: "empty" }, models.length < 2 ? say.oneModel : hash ? texts.noSuch : texts.none));
    return () => {};
  }
  const page = new Comparison(recording, { models, chooseModel });
  const kept = (await library.setting("compared", [])).filter((name) => models.some((one) => one.name === name));
  page.chosen = kept.length > 1 ? kept : [model, ...models.filter((one) => one !== model)].slice(0, 2).map((one) => one.name);
  fill(
    main,
    head,
    make("div", { class: "studio-head" }, choice(say.recording, known.map((one) => [one.hash, cutInMiddle(one.name)]), { id: "recording", value: recording.hash, onchoose: (chosen) => go(`#/compare/${chosen}`) })),
    models.length > 2 && page.boxes,
    page.verdicts,
    page.place,
    page.controls,
    page.differences,
  );
  page.start();
  return () => page.close();
}

// All models' labels, so that an emotion looks the same in every lane.
function together(models) {
  const merged = (name) => Object.assign({}, ...models.map((one) => one[name]));
  return { labels: [...new Set(models.flatMap((one) => one.labels))], colours: merged("colours"), letters: merged("letters"), hatchings: merged("hatchings") };
}

class Comparison {
  constructor(recording, { models, chooseModel }) {
    Object.assign(this, { recording, models, chooseModel });
    this.found = new Map();
    this.looks = styles(together(models));
    this.media = make("audio", { preload: "auto" });
    this.boxes = make("fieldset", { class: "compared" });
    this.verdicts = make("div", { class: "verdicts", "aria-live": "polite" });
    this.place = make("div", { class: "track-place" });
    this.controls = make("div", { class: "controls" });
    this.differences = make("section", {});
    this.controller = new AbortController();
  }

  async start() {
    this._showBoxes();
    try {
      const { blob, shape, split } = await load(this.recording);
      if (this.closed) return;
      Object.assign(this, { blob, shape, split });
    } catch (error) {
      fill(this.verdicts, make("p", { class: "problem" }, error.message));
      return;
    }
    this.url = URL.createObjectURL(this.blob);
    this.media.src = this.url;
    this.media.addEventListener("error", () => notify(texts.unsupported), { once: true });
    for (const event of ["play", "pause"]) this.media.addEventListener(event, () => this._showControls());
    this.track = new Track(this.shape, this.media, { onTime: (time) => this._stopAt(time), onSelect: (start, end) => this._play(start, end) });
    this.place.append(this.track.element);
    this._showControls();
    await this._hear();
  }

  close() {
    this.closed = true;
    this.controller.abort();
    this.media.pause();
    this.track?.destroy();
    if (this.url) URL.revokeObjectURL(this.url);
  }

  _showBoxes() {
    const box = ({ name }) => {
      const on = this.chosen.includes(name);
      const fixed = on ? this.chosen.length <= 2 : this.chosen.length >= MOST;
      return make("label", {}, make("input", { type: "checkbox", checked: on, disabled: fixed, value: name, onchange: () => this._choose(name) }), name);
    };
    fill(this.boxes, make("legend", {}, say.choose(MOST)), this.models.map(box));
  }

  async _choose(name) {
    this.chosen = this.models.map((one) => one.name).filter((one) => this.chosen.includes(one) !== (one === name));
    await library.set("compared", this.chosen);
    this._showBoxes();
    await this._hear();
  }

  // One model after another: each is kept with the recording, as in the studio.
  async _hear() {
    this._show();
    for (const name of this.chosen) {
      if (this.found.has(name)) continue;
      try {
        const [said, card] = await Promise.all([hear(this.recording, this.blob, { model: name, split: this.split, signal: this.controller.signal }), api.card(name)]);
        this.found.set(name, { said, card });
      } catch (error) {
        if (error.name === "AbortError") return;
        this.found.set(name, { problem: error.message });
      }
      if (this.closed) return;
      this._show();
    }
  }

  _show() {
    const chosen = this.models.filter((one) => this.chosen.includes(one.name));
    fill(this.verdicts, chosen.map((model) => this._verdict(model, this.found.get(model.name))));
    const rows = chosen.flatMap((model) => {
      const segments = this.found.get(model.name)?.said?.segments ?? [];
      const channels = [...new Set(segments.map((one) => one.channel ?? null))];
      return channels.map((channel) => {
        const own = segments.filter((one) => (one.channel ?? null) === channel);
        return { model: model.name, name: say.lane(model.name, channel), channel, segments: own, stretches: stretches(own) };
      });
    });
    this.track?.show(rows, this.looks, { choose: (one, how) => (how === "click" ? this._play(one.start, one.end) : this.track.seek(one.start)) });
    const all = chosen.length > 1 && chosen.every((model) => this.found.get(model.name)?.said?.segments.length);
    fill(this.differences, all ? this._differences(rows) : []);
  }

  _verdict(model, found) {
    const looks = this.looks;
    let answer = make("p", {}, make("progress", { "aria-label": texts.hearing(model.name) }));
    if (found?.problem) answer = make("p", { class: "problem" }, found.problem);
    else if (found) answer = make("p", { class: "chips" }, answered(found.said, this.shape.duration, SHORT).map(([label, share, status]) => make("span", { class: "button chip", style: { "--colour": looks.get(label)?.colour ?? "transparent" } }, make("i", { class: "dot" }), label === null ? words({ emotion: null, status }) : words({ emotion: label, status }), share === null ? "" : make("b", {}, percent(share)))));
    return make(
      "div",
      {},
      make("h2", {}, model.name),
      answer,
      found?.card ? make("p", { class: "quiet" }, headline(found.card) ?? texts.modelsPage.unmeasured) : "",
      make("button", { id: `use-${model.name}`, "aria-label": `${texts.modelsPage.use}: ${model.name}`, onclick: () => this.chooseModel(model.name) }, texts.modelsPage.use),
    );
  }

  _differences(rows) {
    const { agreed, judged, found } = disagreements(rows);
    const line = (one) =>
      make(
        "li",
        {},
        make("button", { class: "play", "aria-label": texts.playStretch(clock(one.start), clock(one.end), say.differ), onclick: () => this._play(one.start, one.end) }, "▶"),
        make("span", { class: "time" }, `${clock(one.start)}–${clock(one.end)}`, one.channel === null ? "" : ` · ${one.channel}`),
        make("span", {}, one.said.map(({ model, emotion, status }) => `${model}: ${words({ emotion, status })}`).join("; ")),
      );
    return [
      make("h2", {}, say.differ),
      make("p", {}, judged ? say.agree(percent(agreed / judged)) : say.nothing),
      found.length ? make("ol", { class: "stretches differences" }, found.map(line)) : "",
    ];
  }

  _showControls() {
    fill(this.controls, make("button", { class: "primary", onclick: () => this._toggle() }, this.media.paused ? texts.play : texts.pause));
  }

  _toggle() {
    this.until = null;
    if (this.media.paused) this.media.play().catch(() => notify(texts.unsupported));
    else this.media.pause();
  }

  _play(start, end) {
    this.until = end;
    this.track.mark(start, end);
    this.track.seek(start);
    this.media.play().catch(() => notify(texts.unsupported));
  }

  _stopAt(time) {
    if (!this.until || time < this.until - 0.01 || this.media.paused) return;
    this.until = null;
    this.media.pause();
  }
}
