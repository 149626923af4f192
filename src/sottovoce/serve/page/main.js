// The page: which screen is shown, what recordings come in, and what all screens share.

import * as api from "./api.js";
import { answer, ask, choice, fill, make } from "./dom.js";
import * as library from "./library.js";
import { texts } from "./texts.js";

const main = document.getElementById("main");
const SAMPLES = ["calm-voice.wav", "lively-voice.wav", "stern-voice.wav"];

const SCREENS = {
  "": { load: async (given) => (await import("./home.js")).home(main, given) },
  r: { load: async (given, [hash], query) => (await import("./studio.js")).studio(main, { ...given, hash, at: Number(query.get("t")) || 0 }) },
  live: { name: texts.pages.live, load: async (given) => (await import("./live.js")).live(main, given) },
  batch: { name: texts.pages.batch, load: async (given) => (await import("./batch.js")).batch(main, given) },
  label: { name: texts.pages.label, load: async (given) => (await import("./label.js")).label(main, given) },
  compare: { name: texts.pages.compare, load: async (given, [hash]) => (await import("./compare.js")).compare(main, { ...given, hash }) },
  models: { name: texts.pages.models, load: async (given, [named]) => (await import("./models.js")).models(main, { ...given, named }) },
};

const shared = { models: [], model: null, card: null, tested: null, profile: null, samples: SAMPLES, recording: null };
let leave = () => {};
let turn = 0;

/** What every screen is given. */
function given() {
  return { ...shared, open, chooseModel, chooseProfile, tuneIn, go, modelChoice };
}

/** The list to choose a model from. */
function modelChoice(more = {}) {
  return choice(texts.model, shared.models.map(({ name }) => [name, name]), { id: "model", value: shared.model.name, onchoose: chooseModel, ...more });
}

/** Fulfilled when the models are known; the first page is drawn before. */
let ready = null;

function go(address) {
  if (location.hash === address) show();
  else location.hash = address;
}

async function show() {
  const mine = ++turn;
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  const screen = SCREENS[name] ?? SCREENS[""];
  if (screen !== SCREENS[""]) await ready;
  if (name === "r" || name === "compare") shared.recording = rest[0] ?? shared.recording;
  const end = leave;
  leave = () => {};
  await end(); // a screen may have something to keep first
  if (mine !== turn) return;
  for (const link of document.querySelectorAll("#pages a")) link.toggleAttribute("aria-current", link.hash === `#/${name}`);
  const focused = main.contains(document.activeElement) ? document.activeElement.id : "";
  if (main.contains(document.activeElement)) main.focus({ preventScroll: true }); // else it is lost with what had it
  document.title = screen.name ? `${screen.name} · ${texts.name}` : texts.name;
  main.className = name || "home";
  try {
    const ended = await screen.load({ ...given(), ready: ready.then(given) }, rest, new URLSearchParams(query));
    if (mine === turn) leave = ended ?? (() => {});
    else ended?.();
    if (focused && document.activeElement === main) document.getElementById(focused)?.focus();
  } catch (error) {
    fill(main, make("p", { class: "problem" }, error.message));
    console.error(error);
  }
}

/** Take recordings in: one is opened at once, several are shown together, those too that could not be kept. */
async function open(files) {
  const opened = [];
  for (const file of files) {
    const name = file.name || texts.name;
    try {
      const hash = await library.digest(file);
      if (!opened.some((one) => one.hash === hash)) await library.add(file, { name }, hash);
      opened.push({ hash, name });
    } catch (error) {
      opened.push({ hash: null, name, problem: texts.notKept(error.message) });
    }
  }
  if (!opened.length) return;
  await library.set("batch", opened);
  if (opened.length === 1 && opened[0].hash) go(`#/r/${opened[0].hash}`);
  else go("#/batch");
}

async function chooseModel(name) {
  shared.model = shared.models.find((one) => one.name === name) ?? shared.models[0];
  [shared.card, shared.tested] = await Promise.all([api.card(shared.model.name), api.tested(shared.model.name)]);
  await library.set("model", shared.model.name);
  if (shared.profile && shared.profile.content.model !== shared.card.name && !shared.profile.content.model.startsWith(`${shared.card.name} `)) shared.profile = null;
  await show();
}

async function chooseProfile(profile) {
  shared.profile = profile;
  await library.set("profile", profile?.id ?? "");
  await show();
}

async function tuneIn(recording) {
  const { tune } = await import("./tune.js");
  await tune({ ...given(), recording });
}

function takeDrops() {
  const shade = document.getElementById("dropping");
  shade.textContent = texts.drop;
  let depth = 0;
  window.addEventListener("dragenter", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    depth += 1;
    shade.hidden = false;
  });
  window.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    shade.hidden = depth === 0;
  });
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    shade.hidden = true;
    open([...event.dataTransfer.files]);
  });
  window.addEventListener("paste", (event) => event.clipboardData.files.length && open([...event.clipboardData.files]));
}

async function start() {
  fill(
    document.getElementById("pages"),
    Object.entries(SCREENS).map(([name, screen]) => screen.name && make("a", { href: `#/${name}` }, screen.name)),
  );
  takeDrops();
  ready = prepare();
  window.addEventListener("hashchange", show);
  await Promise.all([ready, show()]);
}

/** Ask which models there are, and for what was chosen here before. */
async function prepare() {
  const kept = Promise.all([library.setting("model", ""), library.setting("profile", ""), library.profiles()]);
  for (;;) {
    try {
      shared.models = await api.models();
      break;
    } catch (error) {
      if (error.status !== 401) throw error;
      await askForKey();
    }
  }
  const [name, profileId, profiles] = await kept;
  shared.model = shared.models.find((one) => one.name === name) ?? shared.models[0];
  shared.profile = profiles.find((one) => one.id === profileId) ?? null;
  [shared.card, shared.tested] = await Promise.all([api.card(shared.model.name), api.tested(shared.model.name)]);
}

async function askForKey() {
  const field = make("input", { type: "password", autocomplete: "off", "aria-label": texts.keyLabel });
  await ask(make("form", { method: "dialog" }, make("p", {}, texts.key), field, make("p", { class: "actions" }, make("button", { class: "primary", onclick: () => answer("key") }, texts.keep))));
  api.useKey(field.value);
}

start().catch((error) => {
  fill(main, make("p", { class: "problem" }, error.message));
  console.error(error);
});
