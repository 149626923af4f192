// What stays in this browser: recordings, what was heard in them, corrections, profiles (IndexedDB).

const NAME = "sottovoce";
const VERSION = 1;
const STORES = { recordings: "hash", sounds: "hash", profiles: "id", settings: "name" };

let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      for (const [store, keyPath] of Object.entries(STORES)) request.result.createObjectStore(store, { keyPath });
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function run(store, mode, work) {
  const base = await database();
  return new Promise((resolve, reject) => {
    const transaction = base.transaction(store, mode);
    const request = work(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

/** Two tabs tell each other what changed. */
const channel = new BroadcastChannel(NAME);

/** Call a function whenever another tab changed something; gives what ends that. */
export function onChange(listener) {
  channel.addEventListener("message", listener);
  return () => channel.removeEventListener("message", listener);
}

/** Everything known of recordings but their sound, the newest first. */
export async function recordings() {
  const found = await run("recordings", "readonly", (store) => store.getAll());
  return found.sort((a, b) => b.added - a.added);
}

/** One recording, without its sound; undefined where it is not here. */
export function recording(hash) {
  return run("recordings", "readonly", (store) => store.get(hash));
}

/** The sound of a recording: a Blob; undefined where it is not here. */
export async function sound(hash) {
  return (await run("sounds", "readonly", (store) => store.get(hash)))?.blob;
}

/** Keep a new recording, by its `digest`; one with the same bytes keeps what is known of it, under its new name. */
export async function add(blob, facts, hash) {
  const before = await recording(hash);
  const made = { corrections: [], analyses: {}, ...before, ...facts, hash, size: blob.size, added: Date.now() };
  await run("sounds", "readwrite", (store) => store.put({ hash, blob }));
  await run("recordings", "readwrite", (store) => store.put(made));
  channel.postMessage(hash);
  return { ...made, isNew: !before };
}

/** Change some facts of a recording: a function of what is known that gives what is new. */
export async function change(hash, update) {
  const base = await database();
  const changed = await new Promise((resolve, reject) => {
    const transaction = base.transaction("recordings", "readwrite");
    const store = transaction.objectStore("recordings");
    let made;
    store.get(hash).onsuccess = ({ target }) => {
      if (!target.result) return;
      made = { ...target.result, ...update(target.result) };
      store.put(made);
    };
    transaction.oncomplete = () => resolve(made);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
  channel.postMessage(hash);
  return changed;
}

/** Forget one recording. */
export async function forget(hash) {
  await run("recordings", "readwrite", (store) => store.delete(hash));
  await run("sounds", "readwrite", (store) => store.delete(hash));
  channel.postMessage(hash);
}

/** Forget everything that this page keeps. */
export async function forgetEverything() {
  for (const store of Object.keys(STORES)) await run(store, "readwrite", (one) => one.clear());
  channel.postMessage("");
}

/** The profiles that were kept. */
export function profiles() {
  return run("profiles", "readonly", (store) => store.getAll());
}

/** Keep a profile: {id, name, content}. */
export async function keepProfile(profile) {
  await run("profiles", "readwrite", (store) => store.put(profile));
  channel.postMessage("");
}

/** Forget a profile. */
export async function forgetProfile(id) {
  await run("profiles", "readwrite", (store) => store.delete(id));
  channel.postMessage("");
}

/** A setting's value, or what stands for it where none was made. */
export async function setting(name, otherwise) {
  return (await run("settings", "readonly", (store) => store.get(name)))?.value ?? otherwise;
}

/** Keep a setting. */
export function set(name, value) {
  return run("settings", "readwrite", (store) => store.put({ name, value }));
}

/** SHA-256 of a Blob, 64 hexadecimal digits. */
export async function digest(blob) {
  const bytes = await blob.arrayBuffer();
  if (!globalThis.crypto?.subtle) return weakDigest(new Uint8Array(bytes));
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Where the page is not served over https or from this machine, browsers offer no SHA-256: FNV-1a twice.
function weakDigest(bytes) {
  let [a, b] = [0x811c9dc5, 0x1000193];
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x85ebca6b);
  }
  return [a, b, bytes.length].map((part) => (part >>> 0).toString(16).padStart(8, "0")).join("");
}
