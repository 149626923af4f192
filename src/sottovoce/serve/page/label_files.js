// Labels as files: the ZIP that trains as it is, and the stretches that the service keeps.

import { Zip, ZipDeflate, ZipPassThrough, strToU8 } from "./vendor/fflate.js";

import { load } from "./analysis.js";
import * as api from "./api.js";
import { csv } from "./answers.js";
import { wav } from "./audio.js";
import * as library from "./library.js";
import { fileName, plan, rated, recipe, speakerOf, tableRows } from "./ratings.js";
import { texts } from "./texts.js";

/** Kinds of files that training reads wherever it is installed; others go out as WAV. */
const READ_EVERYWHERE = new Set(["wav", "flac", "ogg", "opus", "mp3"]);

const LABELS = ["file", "start", "end", "emotion", "speaker", "raters", "heard", "confidence"];
const RATINGS = ["file", "start", "end", "emotion", "speaker", "rater", "heard", "confidence", "model", "at"];

/** Everything that training needs, of the recordings whose people agreed: {zip, count}; zip is a Blob. */
export async function labelsAsZip(recordings, words) {
  const [names, taken] = [new Map(), new Set()];
  const nameOf = (recording, channel) => {
    const key = `${recording.hash}|${channel ?? ""}`;
    if (!names.has(key)) names.set(key, { recording, channel, file: `audio/${fileName(...fileParts(recording, channel), taken)}` });
    return names.get(key).file;
  };
  const rows = tableRows(recordings, nameOf);
  const found = plan(rows.labels, words);
  const without = recordings.filter((one) => !one.consent && rated(one).length).length;
  const pack = new Packing();
  await pack.text("labels.csv", table(LABELS, rows.labels));
  await pack.text("ratings.csv", table(RATINGS, rows.ratings));
  if (found) await pack.text("recipe.toml", recipe(found, texts.label.recipeAbout(found)));
  await pack.text("README.txt", texts.label.readme({ ...rows, count: rows.labels.length, without, plan: found }));
  for (const { recording, channel, file } of names.values()) await pack.blob(file, await soundOf(recording, channel));
  return { zip: pack.end(), count: rows.labels.length };
}

/** Send every rating of the recordings whose people agreed to the service: {sent, failed: names}. */
export async function keepOnService(recordings, onSent) {
  const [failed, done] = [[], { sent: 0 }];
  for (const recording of recordings.filter((one) => one.consent && rated(one).length)) {
    const { decoded } = await load(recording);
    if (!decoded) {
      failed.push(recording.name);
      continue;
    }
    for (const { ratings } of rated(recording)) {
      for (const one of ratings.filter(({ label }) => label)) {
        const stretch = wav(channelsOf(decoded, one.channel ?? null), decoded.rate, one.start, one.end);
        const speaker = speakerOf(recording, one.channel ?? null);
        await api.correct(stretch, { label: one.label, speaker, rater: one.rater, heard: one.heard, confidence: one.confidence, model: one.model, start: one.start, end: one.end });
        onSent((done.sent += 1));
      }
    }
  }
  return { ...done, failed };
}

function fileParts({ name }, channel) {
  const kind = extension(name);
  const made = channel === null && READ_EVERYWHERE.has(kind) ? kind : "wav";
  return [channel === null ? name : `${name.replace(/\.[^.]*$/, "")}-${channel}`, made];
}

function extension(name) {
  return (/\.([^.]+)$/.exec(name)?.[1] ?? "").toLowerCase();
}

// The bytes as they came, where training reads them; a channel alone, or what it may not read, as WAV.
async function soundOf(recording, channel) {
  if (channel === null && READ_EVERYWHERE.has(extension(recording.name))) return library.sound(recording.hash);
  const { blob, decoded } = await load(recording);
  return decoded ? wav(channelsOf(decoded, channel), decoded.rate) : blob;
}

function channelsOf(decoded, channel) {
  return channel === null ? decoded.channels : [decoded.channels[channel - 1]];
}

function table(columns, rows) {
  const cell = (row, name) => (name === "emotion" ? row.label : name === "confidence" && row.confidence ? Number(row.confidence.toFixed(3)) : row[name]);
  return csv([columns, ...rows.map((row) => columns.map((name) => cell(row, name)))]);
}

// A ZIP that grows file by file; what is done lies in Blobs, which browsers may keep on the disk.
class Packing {
  constructor() {
    this.parts = [];
    this.zip = new Zip((error, data) => {
      if (error) throw error;
      this.parts.push(new Blob([data]));
    });
  }

  async text(name, text) {
    const file = new ZipDeflate(name);
    this.zip.add(file);
    file.push(strToU8(text), true);
  }

  async blob(name, blob) {
    const file = new ZipPassThrough(name);
    this.zip.add(file);
    file.push(new Uint8Array(await blob.arrayBuffer()), true);
  }

  end() {
    this.zip.end();
    return new Blob(this.parts, { type: "application/zip" });
  }
}
