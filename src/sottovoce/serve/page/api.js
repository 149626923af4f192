// The service, as the page calls it. Every failure is an Error whose message is a sentence for people.

import { texts } from "./texts.js";

let key = sessionStorage.getItem("key") ?? "";

/** The API key that requests are sent with, where the service wants one. */
export function useKey(given) {
  key = given;
  sessionStorage.setItem("key", given);
}

/** The key that is in use. */
export function currentKey() {
  return key;
}

/** The service refused a request. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function call(path, { query = {}, ...request } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const address = given.length ? `${path}?${new URLSearchParams(given)}` : path;
  const headers = { ...request.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  let response;
  try {
    response = await fetch(address, { ...request, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, texts.unreachable);
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw new Refused(response.status, body?.error?.message ?? texts.failed(response.status));
}

function form(files, profile) {
  const body = new FormData();
  for (const { blob, name } of files) body.append("file", blob, name);
  if (profile) body.append("profile", JSON.stringify(profile));
  return body;
}

/** The models that are served: name, title, labels, colours, letters and hatchings of the labels ... */
export async function models() {
  return (await (await call("v1/models")).json()).models;
}

/** The card of a model. */
export async function card(name) {
  return (await call(`v1/models/${encodeURIComponent(name)}`)).json();
}

/** What is known of its tests: confusion and reliability; null where nothing is. */
export async function tested(name) {
  try {
    return await (await call(`v1/models/${encodeURIComponent(name)}/tested`)).json();
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** The emotion in one recording. */
export async function predict(blob, name, { profile, signal, ...query } = {}) {
  const answer = await call("v1/predict", { method: "POST", body: form([{ blob, name }], profile), query, signal });
  return (await answer.json()).predictions[0];
}

/**
 * Emotion over time, segment by segment: `onSegments(segments)` is called as they come.
 *
 * Resolves to {model, segments, summary}. `signal` cancels it, on the service too.
 */
export async function timeline(blob, name, { profile, signal, onSegments = () => {}, ...query } = {}) {
  const answer = await call("v1/timeline", {
    method: "POST",
    body: form([{ blob, name }], profile),
    query,
    signal,
    headers: { Accept: "application/x-ndjson" },
  });
  const found = { model: "", segments: [], summary: null };
  for await (const message of lines(answer.body)) {
    if (message.type === "ready") found.model = message.model;
    else if (message.type === "measurement") {
      const { type, ...segment } = message;
      found.segments.push(segment);
      onSegments([segment]);
    } else if (message.type === "finished") found.summary = message.summary;
    else if (message.type === "error") throw new Refused(422, message.message);
  }
  if (!found.summary) throw new Refused(0, texts.unreachable);
  return found;
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
  if (rest.trim()) yield JSON.parse(rest);
}

/** Which moments and frequencies carried a decision about a stretch: see `Explanation`. */
export async function why(blob, name, { profile, signal, ...query } = {}) {
  return (await call("v1/why", { method: "POST", body: form([{ blob, name }], profile), query, signal })).json();
}

/** A profile of recordings: [{blob, name}], of kind "normal" or "mixed". */
export async function profile(files, query) {
  return (await call("v1/profile", { method: "POST", body: form(files), query })).json();
}

/** The shape of a recording that the browser cannot decode: {duration, channels, peaks}. */
export async function peaks(blob, name) {
  return (await call("v1/peaks", { method: "POST", body: form([{ blob, name }]) })).json();
}

/** Whether the service keeps corrections of whom it serves this page to. */
export async function takesCorrections() {
  return (await (await call("v1/models")).json()).corrections === true;
}

/** Keep a corrected stretch on the service's side, where it lets people. */
export async function correct(blob, facts) {
  return (await call("v1/corrections", { method: "POST", body: form([{ blob, name: "stretch.wav" }]), query: facts })).json();
}

/** The address of the stream of live sound. */
export function streamAddress() {
  const address = new URL("v1/stream", document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  return address.href;
}
