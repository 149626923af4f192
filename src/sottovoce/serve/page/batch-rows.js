// What a table of recordings says of each, how it is sorted and filtered, and as what it is exported. No DOM.

import { corrected, NOTHING, verdict } from "./answers.js";

/** Rows in the order of a column, numbers as numbers; those without a value come last either way. */
export function sorted(rows, column, descending) {
  if (!column) return rows;
  const value = (row) => (column === "runner" ? row.runner?.[0] : row[column]) ?? null;
  const compare = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
    const order = typeof x === "number" ? x - y : compare(x, y);
    return (descending ? -order : order) || a.index - b.index;
  });
}

/** Whether a row is to be shown: {text, emotion, status}, empty where anything will do. */
export function matches(row, { text = "", emotion = "", status = "" }) {
  if (text && !row.name.toLowerCase().includes(text.toLowerCase())) return false;
  if (emotion && row.emotion !== emotion) return false;
  return !status || row.status === status || (status === "duplicate" && Boolean(row.sameAs));
}

/** Rows of a CSV file, headings first. */
export function cells(rows, labels) {
  return [
    ["name", "status", "emotion", "confidence", "runner_up", "share", ...labels, "duration", "model", "message", "warnings", "duplicate_of"],
    ...rows.map((one) => [one.name, one.status, one.emotion, one.confidence, one.runner?.[0], one.share, ...labels.map((label) => one.probabilities[label]), one.duration, one.model, one.message, one.warnings.join("; "), one.sameAs]),
  ];
}

/** The same as objects, with all that was heard. */
export function objects(rows) {
  return rows.map((one) => ({
    name: one.name,
    sha256: one.hash,
    status: one.status,
    emotion: one.emotion,
    confidence: one.confidence,
    runner_up: one.runner?.[0] ?? null,
    share: one.share,
    duration: one.duration,
    model: one.model ?? null,
    message: one.message,
    warnings: one.warnings,
    duplicate_of: one.sameAs ?? null,
    prediction: one.said?.prediction ?? null,
    segments: one.said ? corrected(one.said.segments, one.corrections) : [],
    corrections: one.corrections,
  }));
}

/** A file name for each name, no two alike, with another ending. */
export function fileNames(names, ending) {
  const taken = new Set();
  return names.map((name) => {
    const base = name.replace(/\.[^.]*$/, "").replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_").replace(/^\.+/, "_") || "_";
    for (let number = 1; ; number += 1) {
      const made = `${base}${number > 1 ? ` (${number})` : ""}.${ending}`;
      if (taken.has(made.toLowerCase())) continue;
      taken.add(made.toLowerCase());
      return made;
    }
  });
}

/** What is known of a row: facts of the recording, of its answer, and of what went wrong. */
export function facts(row) {
  const { recording, said, problem, state } = row;
  const corrections = recording?.corrections ?? [];
  const known = said ? verdict(said, corrections) : { ...NOTHING, status: state, message: problem ?? "" };
  const name = row.sameAs || !recording ? row.name : recording.name;
  return { ...row, ...known, name, corrections, duration: known.duration ?? recording?.duration ?? null };
}
