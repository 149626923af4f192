// Hearing a recording: once for each model and profile, kept with it, and shown while it is worked out.

import { overall, top, WHOLE } from "./answers.js";
import * as api from "./api.js";
import { alike, DECODED, decode, HEAD, headOf, PEAKS_PER_SECOND, peaksOf } from "./audio.js";
import * as library from "./library.js";

const running = new Map();

/** The sound and its shape: {blob, decoded, shape: {duration, peaks}, split}. */
export async function load(recording) {
  const blob = await library.sound(recording.hash);
  if (recording.shape && recording.shape.duration > DECODED) return { blob, decoded: null, shape: recording.shape, split: recording.split };
  const decoded = await decode(blob);
  if (!decoded) {
    const shape = recording.shape ?? (await shapeFromService(recording, blob));
    return { blob, decoded: null, shape, split: false };
  }
  const count = Math.max(1, Math.round(decoded.duration * PEAKS_PER_SECOND));
  const split = decoded.channels.length === 2 && !alike(...decoded.channels);
  const heard = split ? decoded.channels : decoded.channels.slice(0, 1);
  const shape = { duration: decoded.duration, peaks: heard.map((channel) => peaksOf(channel, Math.min(count, 200_000))) };
  if (!recording.shape) await library.change(recording.hash, () => ({ shape, split, duration: decoded.duration }));
  return { blob, decoded, shape, split };
}

/** How long a recording is of which one channel is known before it is decoded, s: it can be heard meanwhile; else null. */
export async function monoSeconds(recording) {
  if (recording.shape) return recording.split ? null : recording.shape.duration;
  const blob = await library.sound(recording.hash);
  const head = headOf(new Uint8Array(await blob.slice(0, HEAD).arrayBuffer()), blob.size);
  if (head?.channels !== 1 || !(head.duration > 0)) return null;
  if (!recording.duration) await library.change(recording.hash, () => ({ duration: head.duration }));
  return head.duration;
}

async function shapeFromService(recording, blob) {
  const { duration, peaks } = await api.peaks(blob, recording.name);
  const shape = { duration, peaks: peaks.map((channel) => Float32Array.from(channel)) };
  await library.change(recording.hash, () => ({ shape, split: false, duration }));
  return shape;
}

/** Under which name an answer is kept. */
export function keyOf(model, profile, split) {
  return [model, profile?.id ?? "", split ? "split" : "mix"].join("|");
}

/**
 * Hear a recording: {prediction, segments, summary, model}; from what is kept where it was heard before.
 *
 * `onSegments(all so far)` is called while it is worked out; `signal` cancels it.
 */
export async function hear(recording, blob, { model, profile = null, split = false, onSegments = () => {}, signal } = {}) {
  const key = keyOf(model, profile, split);
  const kept = (await library.recording(recording.hash))?.analyses?.[key];
  if (kept) return kept;
  const name = `${recording.hash}|${key}`;
  if (!running.has(name)) {
    running.set(name, work(recording, blob, { key, model, profile, split, signal, onSegments }).finally(() => running.delete(name)));
  }
  return running.get(name);
}

async function work(recording, blob, { key, model, profile, split, signal, onSegments }) {
  const query = { model, profile: profile?.content, signal };
  const so_far = [];
  const isLong = ((await library.recording(recording.hash))?.duration ?? 0) > WHOLE;
  const [answered, found] = await Promise.all([
    isLong ? null : api.predict(blob, recording.name, query),
    api.timeline(blob, recording.name, {
      ...query,
      channels: split ? "split" : undefined,
      onSegments: (segments) => {
        so_far.push(...segments);
        onSegments(so_far);
      },
    }).catch((error) => {
      if (error.status === 422) return { segments: [], summary: null, model };
      throw error;
    }),
  ]);
  const predicted = answered ?? (found.summary ? null : await api.predict(blob, recording.name, query));
  const prediction = found.summary && (!predicted || predicted.status === "error") ? ofTimeline(found, await leastConfidence(model, profile)) : predicted;
  const answer = { prediction, segments: found.segments, summary: found.summary, model: found.model || prediction.model };
  await library.change(recording.hash, (known) => ({
    analyses: { ...known.analyses, [key]: answer },
    duration: prediction.duration ?? known.duration,
  }));
  return answer;
}

// Below this an answer is uncertain, as the model's card has it.
async function leastConfidence(model, profile) {
  const card = await api.card(model);
  return (profile && card.profiles?.[profile.content.kind]?.min_confidence) ?? card.min_confidence;
}

// The answer about a recording that is too long for one by itself: that of its timeline, as `predict` has it.
function ofTimeline({ segments, summary, model }, least) {
  const probabilities = overall(segments);
  const [emotion, confidence] = top(probabilities, 1)[0] ?? [null, null];
  const status = emotion === null ? top(summary?.statuses, 1)[0]?.[0] ?? "no_speech" : confidence >= least ? "ok" : "uncertain";
  return { status, emotion, confidence, probabilities, duration: summary?.duration ?? null, model, message: "" };
}
