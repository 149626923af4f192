// What is worked out from the service's answers: stretches, shares, thresholds, words. No DOM, no network.

export const JUDGED = new Set(["ok", "uncertain"]);

/** Recordings up to this length are one utterance, and are shown with one answer. s */
export const SHORT = 6;

/** The answer about a longer one is that of its timeline; `WHOLE_SECONDS` of sottovoce.inference.recording. s */
export const WHOLE = 60;

/** Segments as they are with another threshold: `ok` from that confidence on, `uncertain` below. */
export function relabelled(segments, least) {
  return segments.map((one) => (JUDGED.has(one.status) ? { ...one, status: one.confidence >= least ? "ok" : "uncertain" } : one));
}

/** Segments with a person's corrections: stretches in which the label is known. */
export function corrected(segments, corrections) {
  if (!corrections.length) return segments;
  return segments.map((one) => {
    const middle = (one.start + one.end) / 2;
    const mine = corrections.findLast((c) => c.start <= middle && middle < c.end && (c.channel ?? null) === (one.channel ?? null));
    return mine ? { ...one, status: "ok", emotion: mine.label, corrected: true } : one;
  });
}

/** Neighbouring segments of a channel that say the same, as one stretch each. */
export function stretches(segments) {
  const found = [];
  const open = new Map();
  for (const one of segments) {
    const channel = one.channel ?? null;
    const last = open.get(channel);
    const same = last && last.emotion === (one.emotion ?? null) && last.status === one.status && Boolean(last.corrected) === Boolean(one.corrected) && Math.abs(last.end - one.start) < 1e-3;
    if (same) {
      last.parts.push(one);
      last.end = one.end;
    } else {
      const made = { start: one.start, end: one.end, channel, status: one.status, emotion: one.emotion ?? null, corrected: one.corrected, parts: [one] };
      open.set(channel, made);
      found.push(made);
    }
  }
  for (const one of found) {
    one.probabilities = meanProbabilities(one.parts);
    one.confidence = one.emotion === null ? null : weighted(one.parts, (part) => part.confidence ?? 0);
  }
  return found.sort((a, b) => a.start - b.start || (a.channel ?? 0) - (b.channel ?? 0));
}

function weighted(parts, value) {
  const whole = parts.reduce((sum, part) => sum + part.end - part.start, 0);
  return whole ? parts.reduce((sum, part) => sum + value(part) * (part.end - part.start), 0) / whole : 0;
}

/** Label -> mean probability over the segments that were judged. */
export function meanProbabilities(segments) {
  const judged = segments.filter((one) => JUDGED.has(one.status) && one.probabilities);
  const labels = judged.length ? Object.keys(judged[0].probabilities) : [];
  return Object.fromEntries(labels.map((label) => [label, weighted(judged, (one) => one.probabilities[label] ?? 0)]));
}

/** [[label, share of the time in which an emotion was heard], ...], the largest first. */
export function shares(segments) {
  const time = new Map();
  let whole = 0;
  for (const one of segments) {
    if (one.status !== "ok") continue;
    const seconds = one.end - one.start;
    whole += seconds;
    time.set(one.emotion, (time.get(one.emotion) ?? 0) + seconds);
  }
  return [...time].map(([label, seconds]) => [label, seconds / whole]).sort((a, b) => b[1] - a[1]);
}

/**
 * How likely each emotion is at a moment of speech that is picked at random; none where nobody speaks.
 *
 * As `predict` says it of a long recording: the share s of an emotion in the time, and the mean confidence c of all
 * segments, make s c + (1 - s) (1 - c) / (K - 1) for K emotions. What is uncertain counts where nothing is sure.
 */
export function overall(segments) {
  const judged = segments.filter((one) => JUDGED.has(one.status) && one.emotion);
  if (!judged.length) return {};
  const found = shares(judged);
  const known = new Map(found.length ? found : shares(judged.map((one) => ({ ...one, status: "ok" }))));
  const labels = [...new Set([...Object.keys(judged[0].probabilities ?? {}), ...known.keys()])];
  const sure = Math.max(weighted(judged, (one) => one.confidence ?? 0), 1 / labels.length);
  const of = (share) => share * sure + ((1 - share) * (1 - sure)) / Math.max(1, labels.length - 1);
  return Object.fromEntries(labels.map((label) => [label, of(known.get(label) ?? 0)]));
}

/** What is known of a recording before it was heard. */
export const NOTHING = { emotion: null, confidence: null, runner: null, share: null, probabilities: {}, message: "", warnings: [] };

/**
 * What was heard in a recording, as the studio says it: the answer about a short one, and of a longer one the emotion
 * with the largest share of the time: {status, emotion, confidence, runner: [label, probability], share, ...}.
 */
export function verdict(said, corrections = []) {
  const { prediction, segments, summary } = said;
  const notes = [...(prediction.warnings ?? []), ...(summary?.warnings ?? [])].map((one) => one.message ?? String(one));
  const about = { duration: prediction.duration, model: said.model, warnings: [...new Set(notes)] };
  const labelled = corrected(segments, corrections);
  const found = prediction.duration > SHORT ? shares(labelled) : [];
  if (!found.length) {
    const { status, emotion, confidence, probabilities, message } = prediction;
    return { ...NOTHING, ...about, status, emotion, confidence, probabilities, message: JUDGED.has(status) ? "" : message, runner: top(probabilities)[1] ?? null };
  }
  const [emotion, share] = found[0];
  const probabilities = overall(labelled);
  const status = prediction.duration > WHOLE && prediction.emotion === emotion ? prediction.status : "ok";
  const runner = top(probabilities, Infinity).find(([label]) => label !== emotion) ?? null;
  return { ...NOTHING, ...about, status, emotion, share, confidence: probabilities[emotion], probabilities, runner };
}

/** The likeliest labels: [[label, probability], ...]. */
export function top(probabilities, count = 3) {
  return Object.entries(probabilities ?? {}).sort((a, b) => b[1] - a[1]).slice(0, count);
}

/** The segment of a channel that is heard at a time, s. */
export function segmentAt(segments, time, channel = null) {
  return segments.find((one) => (one.channel ?? null) === channel && one.start <= time && time < one.end) ?? null;
}

/** Of strangers' clips that were judged so surely, the fraction that was right; null if too few were. */
export function rightness(reliability, confidence) {
  if (!reliability || confidence === null || confidence === undefined) return null;
  const bins = reliability.clips.length;
  const bin = Math.min(bins - 1, Math.floor(confidence * bins));
  return reliability.clips[bin] >= 20 ? reliability.right[bin] : null;
}

/** 61.5 -> "1:01.5"; whole seconds without the digit where `digits` is 0. */
export function clock(seconds, digits = 1) {
  const scale = 10 ** digits;
  const whole = Math.round(seconds * scale) / scale;
  const minutes = Math.floor(whole / 60);
  const rest = (whole - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return minutes >= 60 ? `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** 0.615 -> "62 %". */
export function percent(fraction) {
  return `${Math.round(100 * fraction)} %`;
}

/** A long name with its middle left out. */
export function cutInMiddle(name, length = 40) {
  const characters = [...name];
  if (characters.length <= length) return name;
  const half = Math.floor((length - 1) / 2);
  return `${characters.slice(0, half).join("")}…${characters.slice(-half).join("")}`;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Rows as CSV (RFC 4180); what a spreadsheet would take for a formula is written as text. */
export function csv(rows) {
  const cell = (value) => {
    const plain = value === null || value === undefined ? "" : String(value);
    const formula = typeof value === "string" && /^'*[=+\-@\t\r]/.test(plain) && !NUMBER.test(plain);
    const text = formula ? `'${plain}` : plain;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/**
 * Krippendorff's alpha for nominal labels (Krippendorff 2011, "Computing Krippendorff's
 * alpha-reliability"): 1 agreement, 0 chance.
 *
 * `ratings`: for each unit the labels that raters gave it; units with fewer than two say nothing.
 * null where there are no two labels to compare, or everybody gave one and the same.
 */
export function krippendorff(ratings) {
  const coincidences = new Map();
  const totals = new Map();
  let count = 0;
  for (const labels of ratings.filter((unit) => unit.length > 1)) {
    for (const [i, first] of labels.entries()) {
      for (const [j, second] of labels.entries()) {
        if (i === j) continue;
        const key = JSON.stringify([first, second]);
        coincidences.set(key, (coincidences.get(key) ?? 0) + 1 / (labels.length - 1));
      }
      totals.set(first, (totals.get(first) ?? 0) + 1);
      count += 1;
    }
  }
  if (count < 2 || totals.size < 2) return null;
  let observed = 0;
  for (const [key, value] of coincidences) {
    const [first, second] = JSON.parse(key);
    if (first !== second) observed += value;
  }
  let expected = 0;
  for (const [first, a] of totals) for (const [second, b] of totals) if (first !== second) expected += a * b;
  return 1 - ((count - 1) * observed) / expected;
}
