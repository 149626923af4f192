// A report that can be shared: one file that works offline, shown by the same modules as this page.

import { SHORT } from "./answers.js";
import { answer, ask, make, save } from "./dom.js";
import { texts } from "./texts.js";

const MOST_PEAKS = 20_000;
const PEAKS_PER_SECOND = 20;
const LEAST_PEAKS = 800;

/** Ask whether the sound goes in, and offer the file. */
export async function report(given) {
  const said = await ask(
    make("h2", {}, texts.share),
    make("p", {}, texts.report.about),
    make("p", {}, texts.report.sound),
    make(
      "p",
      { class: "actions" },
      make("button", { class: "primary", onclick: () => answer("without") }, texts.report.without),
      make("button", { onclick: () => answer("with") }, texts.report.with(texts.megabytes((4 / 3) * given.blob.size))),
      make("button", { onclick: () => answer() }, texts.cancel),
    ),
  );
  if (said) save(`${given.name.replace(/\.[^.]*$/, "")}.html`, await reportHtml({ ...given, blob: said === "with" ? given.blob : null }), "text/html");
}

/** The text of the file. Without `blob` the sound is left out; see studio.js for the rest. */
export async function reportHtml(given) {
  return assemble(await reportData(given));
}

/** What the file is made from; `sottovoce.export.report` gives the same. */
export async function reportData({ name, shape, said, model, card, tested = null, profile = null, blob = null, made = new Date() }) {
  const { prediction, segments, summary } = said;
  const short = shape.duration <= SHORT || !segments.length;
  const notes = [...(prediction?.warnings ?? []), ...(summary?.warnings ?? [])].map((one) => one.message ?? String(one));
  return {
    name,
    made: `${made.getFullYear()}-${String(made.getMonth() + 1).padStart(2, "0")}-${String(made.getDate()).padStart(2, "0")}`,
    duration: shape.duration,
    peaks: reducedPeaks(shape),
    prediction: short ? pick(prediction, ["status", "emotion", "confidence", "probabilities", "message"]) : null,
    segments,
    warnings: [...new Set(notes)],
    model: pick(model, ["labels", "colours", "letters", "hatchings"]),
    card: {
      ...pick(card, ["name", "version", "description", "min_confidence", "protocol", "figures", "language", "limits", "licence"]),
      corpora: card.corpora.map((one) => pick(one, ["name", "clips", "speakers", "licence"])),
    },
    reliability: tested?.reliability ?? null,
    profile: profile && { name: profile.name, ...pick(profile.content, ["kind", "recordings"]) },
    audio: blob && { type: blob.type, content: await base64(blob) },
  };
}

function pick(from, names) {
  return Object.fromEntries(names.map((name) => [name, from[name]]));
}

// Fewer peaks, in whole percent of the loudest sample.
function reducedPeaks({ duration, peaks }) {
  const most = Math.max(1e-9, ...peaks.map((channel) => channel.reduce((high, one) => Math.max(high, Math.abs(one)), 0)));
  return peaks.map((channel) => {
    const parts = channel.length / 2;
    const count = Math.min(parts, MOST_PEAKS, Math.max(LEAST_PEAKS, Math.ceil(PEAKS_PER_SECOND * duration)));
    const found = [];
    for (let i = 0; i < count; i += 1) {
      let [high, low] = [0, 0];
      for (let j = Math.floor((i * parts) / count); j < Math.floor(((i + 1) * parts) / count); j += 1) {
        high = Math.max(high, channel[2 * j]);
        low = Math.min(low, channel[2 * j + 1]);
      }
      found.push(Math.round((100 * high) / most), Math.round((100 * low) / most));
    }
    return found;
  });
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

// The first line of the template names the style sheets and modules that go into it, in their order.
async function assemble(data) {
  const text = async (name) => (await fetch(new URL(name, import.meta.url))).text();
  const template = await text("./report.html");
  const [first, ...rest] = template.split("\n");
  const names = first.replace(/<!--|-->/g, "").trim().split(/\s+/);
  const files = await Promise.all(names.map((name) => text(`./${name}`)));
  const of = (ending) => files.filter((_, i) => names[i].endsWith(ending)).join("\n").trimEnd();
  const parts = {
    style: of(".css"),
    script: of(".js").replace(/^import [^;]*;\n/gm, "").replace(/^export /gm, ""),
    data: JSON.stringify(data).replaceAll("<", "\\u003c"),
  };
  return rest.join("\n").replace(/\{\{(style|script|data)\}\}/g, (_, name) => parts[name]);
}
