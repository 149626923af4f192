// Why: what each moment and each band of a stretch spoke for or against, over its spectrogram.

import * as api from "./api.js";
import { clock } from "./answers.js";
import { fill, make } from "./dom.js";
import { texts } from "./texts.js";

const [FOR, AGAINST] = [[224, 123, 31], [61, 127, 196]];

/**
 * Ask the service about a stretch and draw what it says into `place`.
 *
 * `sound` is the stretch alone, which begins at `from` s of the recording and has a `label` there; `play(start, end)`
 * plays a part of it.
 */
export async function showWhy(place, sound, { from, model, profile, label, play }) {
  const asked = document.activeElement;
  const waiting = make("progress", { "aria-label": texts.whyWait });
  fill(place, make("p", {}, texts.whyWait), waiting);
  let found;
  try {
    found = await api.why(sound, "stretch.wav", { model, profile: profile?.content });
  } catch (error) {
    if (place.contains(waiting)) fill(place, make("p", { class: "problem" }, error.message));
    return;
  }
  if (!place.contains(waiting)) return; // another stretch was asked about since
  const canvas = make("canvas", { width: 900, height: 220, role: "img", "aria-label": sentence(found, from) });
  draw(canvas, found);
  const decisive = found.stretch && [from + found.stretch[0], from + found.stretch[1]];
  fill(
    place,
    make("h2", {}, texts.whyTitle(found.emotion)),
    label && label !== found.emotion && make("p", {}, texts.whyAlone(found.emotion, label)),
    make("p", {}, sentence(found, from), " ", decisive ? make("button", { class: "link", onclick: () => play(...decisive) }, texts.play) : ""),
    make("figure", {}, canvas, make("figcaption", { class: "quiet" }, texts.whyHint)),
    make("button", { onclick: () => fill(place) && asked.focus() }, texts.close),
  );
  canvas.addEventListener("click", (event) => {
    const time = found.moments[0] + (event.offsetX / canvas.clientWidth) * (found.moments.at(-1) - found.moments[0]);
    play(from + Math.max(0, time - 0.25), from + time + 0.25);
  });
  place.scrollIntoView({ block: "nearest" });
}

function sentence(found, from) {
  if (!found.stretch) return texts.whyNone;
  const points = Math.round(100 * Math.max(...found.by_moment));
  return texts.whyBest(clock(from + found.stretch[0], 2), clock(from + found.stretch[1], 2), points);
}

// Grey: the spectrogram, low frequencies at the foot. Over it each cell, as strong as it spoke.
function draw(canvas, found) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const picture = found.spectrogram; // (bands, time), 0 to 1
  const [bands, frames] = [picture.length, picture[0].length];
  const image = new ImageData(frames, bands);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  for (let band = 0; band < bands; band += 1) {
    for (let frame = 0; frame < frames; frame += 1) {
      const level = picture[band][frame];
      const grey = 255 * (dark ? level : 1 - level);
      image.data.set([grey, grey, grey, 255], 4 * ((bands - 1 - band) * frames + frame));
    }
  }
  const small = new OffscreenCanvas(frames, bands);
  small.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(small, 0, 0, width, height);
  const cells = found.cells ?? [found.by_moment];
  const most = Math.max(1e-9, ...cells.flat().map(Math.abs));
  const [first, last] = [found.moments[0], found.moments.at(-1)];
  cells.forEach((row, band) => {
    row.forEach((value, moment) => {
      const x = ((found.moments[moment] - first) / (last - first)) * width;
      const end = ((found.moments[moment + 1] - first) / (last - first)) * width;
      const colour = value >= 0 ? FOR : AGAINST;
      context.fillStyle = `rgba(${colour.join(",")},${0.75 * (Math.abs(value) / most)})`;
      context.fillRect(x, height * (1 - (band + 1) / cells.length), end - x, height / cells.length);
    });
  });
}
