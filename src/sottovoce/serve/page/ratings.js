// What is worked out from ratings: what to label next, majorities, counts, tables, the recipe. No DOM, no network.

import { JUDGED, stretches } from "./answers.js";

/** Longer stretches are cut: nobody labels a minute at once. s */
export const LONGEST = 10;

/** A name's longest, and a word's, as training and the service take them. */
export const [LONGEST_NAME, LONGEST_WORD] = [40, 64];

/** Ends this near to that of the recording are its end: programs differ about lengths. s */
const ROUNDING = 0.05;

/** What tables take for no label. */
const NOTHING = new Set(["na", "n/a", "nan", "null"]);

/** What is to be labelled in a recording: all of a short one, the stretches of another. */
export function proposed({ prediction, segments, model }, { duration, whole }) {
  const known = (one) => ({ start: one.start, end: one.end, channel: one.channel ?? null, heard: one.emotion, confidence: one.confidence, model });
  if (whole) return JUDGED.has(prediction.status) ? [known({ ...prediction, start: 0, end: duration })] : [];
  return stretches(segments).filter((one) => one.emotion !== null).flatMap((one) => {
    const parts = Math.ceil((one.end - one.start) / LONGEST - 1e-6);
    const length = (one.end - one.start) / parts;
    return Array.from({ length: parts }, (_, i) => known({ ...one, start: one.start + i * length, end: one.start + (i + 1) * length }));
  });
}

/** How much two stretches of a channel have in common: the shared time over that of both together. */
export function common(a, b) {
  if ((a.channel ?? null) !== (b.channel ?? null)) return 0;
  const shared = Math.min(a.end, b.end) - Math.max(a.start, b.start);
  return shared <= 0 ? 0 : shared / (Math.max(a.end, b.end) - Math.min(a.start, b.start));
}

/** Of those with at least half in common with a stretch, the one with the most; undefined if none. */
export function sameStretch(all, stretch) {
  return all.filter((one) => common(one, stretch) >= 0.5).sort((a, b) => common(b, stretch) - common(a, stretch))[0];
}

/**
 * The stretches of a recording that were rated: [{start, end, channel, ratings}], the last rating of each rater.
 *
 * Corrections made elsewhere on the page are ratings of nobody by name. Boundaries are those of the last rating.
 */
export function rated({ corrections = [], ratings = [] }) {
  const all = [...corrections.map((one) => ({ channel: null, ...one, rater: "", corrected: true })), ...ratings];
  const found = [];
  for (const one of all.sort((a, b) => a.at - b.at)) {
    let stretch = sameStretch(found, one);
    if (!stretch) found.push((stretch = { ratings: [] }));
    Object.assign(stretch, { start: one.start, end: one.end, channel: one.channel ?? null });
    stretch.ratings = [...stretch.ratings.filter(({ rater }) => rater !== one.rater), one];
  }
  return found;
}

/** What is to be labelled and what was, together: boundaries that somebody moved stay moved. */
export function units(hash, proposals, stretchesRated) {
  const done = stretchesRated.map((one) => {
    const { heard, confidence, model } = sameStretch(proposals, one) ?? one.ratings.at(-1);
    return { hash, heard, confidence, model, ...one };
  });
  const open = proposals.filter((one) => !sameStretch(stretchesRated, one)).map((one) => ({ hash, ...one, ratings: [] }));
  return [...done, ...open];
}

/** What a rater said of a unit: a rating; undefined where nothing. */
export function ratingOf(unit, rater) {
  return unit.ratings.find((one) => one.rater === rater && !one.corrected);
}

/** Whether a rater is still to say something: not of what was corrected already. */
export function isOpen(unit, rater) {
  return !ratingOf(unit, rater) && !unit.ratings.some((one) => one.corrected);
}

/** What this rater labelled, in time, then what is open, the least certain first. */
export function inOrder(all, rater) {
  const when = (unit) => Math.max(...unit.ratings.map((one) => one.at));
  const open = all.filter((unit) => isOpen(unit, rater)).sort((a, b) => (a.confidence ?? 0) - (b.confidence ?? 0));
  const done = all.filter((unit) => !isOpen(unit, rater)).sort((a, b) => when(a) - when(b));
  return [...done, ...open];
}

/** The label that most raters gave: {label, tie}; null where they are divided, or all unsure. */
export function majority(ratings) {
  const counts = new Map();
  for (const { label } of ratings) if (label) counts.set(label, (counts.get(label) ?? 0) + 1);
  const [first, second] = [...counts].sort((a, b) => b[1] - a[1]);
  const tie = Boolean(second) && first[1] === second[1];
  return { label: first && !tie ? first[0] : null, tie };
}

/** Labels of several raters of a stretch, without those who were unsure. */
export function labelsOf(ratings) {
  return ratings.map((one) => one.label).filter(Boolean);
}

/** How many stretches each speaker has of each label: {labels, rows: [[speaker, count of each label]]}. */
export function counts(rows, words) {
  const labels = [...new Set([...words, ...rows.map((row) => row.label)])].filter((label) => rows.some((row) => row.label === label));
  const speakers = [...new Set(rows.map((row) => row.speaker))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  return { labels, rows: speakers.map((speaker) => [speaker, labels.map((label) => rows.filter((row) => row.label === label && row.speaker === speaker).length)]) };
}

/** Words out of a line with commas, each once, in small letters: {words, faults}. */
export function wordsOf(line) {
  const all = [...new Set(line.split(/[,;|\n]/).map((word) => word.trim().replace(/\s+/g, " ").toLowerCase()).filter(Boolean))];
  const fine = (word) => word.length <= LONGEST_WORD && !NOTHING.has(word) && /^[\p{L}\p{N}]/u.test(word) && /\p{L}/u.test(word) && !/[\p{C}/+&]/u.test(word);
  return { words: all.filter(fine), faults: all.filter((word) => !fine(word)) };
}

/** Who speaks in a channel of a recording, or in all of it. */
export function speakerOf(recording, channel) {
  return recording.speakers?.[channel ?? ""] ?? "";
}

/** A name that any disk and any table takes, unlike those in `taken`, to which it is added. */
export function fileName(name, extension, taken) {
  const stem = name.normalize("NFC").replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N} ._-]/gu, "_").replace(/^[^\p{L}\p{N}]+/u, "").slice(0, 80).trim() || "recording";
  for (let number = 1; ; number += 1) {
    const made = `${stem}${number > 1 ? `-${number}` : ""}.${extension}`;
    if (taken.has(made.toLowerCase())) continue;
    taken.add(made.toLowerCase());
    return made;
  }
}

/**
 * The rows of the tables: {labels, ratings, ties, unsure} of recordings whose people agreed.
 *
 * `file(recording, channel)` names the file of a recording, or of one channel of it.
 */
export function tableRows(recordings, file) {
  const found = { labels: [], ratings: [], ties: 0, unsure: 0 };
  for (const recording of recordings.filter((one) => one.consent)) {
    const duration = recording.shape?.duration ?? recording.duration ?? Infinity;
    for (const { start, end, channel, ratings } of rated(recording)) {
      const { label, tie } = majority(ratings);
      if (tie) found.ties += 1;
      else if (!label) found.unsure += 1;
      const speaker = speakerOf(recording, channel);
      const place = (from, to) => ({ hash: recording.hash, channel, file: file(recording, channel), start: from.toFixed(3), end: to > duration - ROUNDING ? "" : to.toFixed(3), speaker });
      const last = ratings.at(-1);
      if (label) found.labels.push({ ...place(start, end), label, raters: ratings.length, heard: last.heard, confidence: last.confidence });
      for (const one of ratings) found.ratings.push({ ...place(one.start, one.end), label: one.label ?? "", rater: one.rater, heard: one.heard, confidence: one.confidence, model: one.model, at: new Date(one.at).toISOString() });
    }
  }
  return found;
}

/**
 * How to train on the rows of a table: {labels, dropped, protocol, folds}; null where it cannot be done.
 *
 * Each label needs two stretches. Speakers are kept apart where every stretch names one and every label
 * has two of them; otherwise clips are, and the figures of that are too good.
 */
export function plan(rows, words) {
  const count = (label) => rows.filter((row) => row.label === label).length;
  const all = [...new Set([...words, ...rows.map((row) => row.label)])].filter(count);
  const labels = all.filter((label) => count(label) > 1);
  if (labels.length < 2) return null;
  const used = rows.filter((row) => labels.includes(row.label));
  const speakers = (label) => new Set(used.filter((row) => row.label === label).map((row) => row.speaker)).size;
  const apart = used.every((row) => row.speaker) && labels.every((label) => speakers(label) > 1);
  return { labels, dropped: all.filter((label) => !labels.includes(label)), apart, folds: Math.min(5, ...labels.map(count)) };
}

/** The recipe that trains on the table as it is, for a plan. */
export function recipe({ labels, apart, folds }, about) {
  const protocol = apart ? ['name = "loso"', "validation_speakers = 0"] : ['name = "random"', `folds = ${folds}`, "validation_fraction = 0.0"];
  return `${about.map((line) => `# ${line}`).join("\n")}

name = "my-labels"
labels = [${labels.map((label) => JSON.stringify(label)).join(", ")}]
corpora = ["table"]
seeds = [0]
licence = "that of your recordings"

[protocol]
${protocol.join("\n")}

[window]
trim = "speech"
margin = 0.2
grid = 0.25
min = 0.5
max = 30.0

[frontend]
name = "stack"
frames = 128
normalise = "training"
parts = [{ name = "mfcc" }]

[network]
name = "svm"

[training]
crop = 0.0
`;
}
