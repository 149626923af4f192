// Elements in one call: make("p", {class: "quiet"}, "text", child).

/** An element with attributes, listeners (onclick) and children; text is never taken for markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put other children into an element; where one of its controls had the focus, that in its place gets it. */
export function fill(element, ...children) {
  const controls = () => [...element.querySelectorAll("a, button, input, select")];
  const at = element.contains(document.activeElement) ? controls().indexOf(document.activeElement) : -1;
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  if (at >= 0) controls()[at]?.focus({ preventScroll: true });
  return element;
}

/** A list to choose from with its name before it; `options` are [value, text]. */
export function choice(name, options, { value, onchoose, ...more }) {
  const select = make("select", { onchange: ({ target }) => onchoose(target.value), ...more }, options.map(([one, text]) => make("option", { value: one, selected: one === value }, text)));
  return make("label", {}, make("span", {}, name), select);
}

/** An SVG element. */
export function drawn(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A table that scrolls sideways where it is wider than its place; only then it is a stop for Tab. */
export function wide(label, table) {
  const element = make("div", { class: "wide", role: "group", "aria-label": label }, table);
  new ResizeObserver(() => {
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
    else element.removeAttribute("tabindex");
  }).observe(element);
  return element;
}

/** Offer bytes or text as a file. */
export function save(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Say something at the foot of the window, and to screen readers. */
export function notify(text, action = null) {
  const notice = make("div", { class: "notice" }, make("span", {}, text));
  const close = () => notice.remove();
  if (action) notice.append(make("button", { onclick: () => { action.run(); close(); } }, action.name));
  document.getElementById("notices").append(notice);
  setTimeout(close, action ? 12_000 : 6_000);
}

/** A dialog with these children; resolves to the value that it is closed with. */
export function ask(...children) {
  const dialog = document.getElementById("dialog");
  fill(dialog, children);
  dialog.returnValue = ""; // else Escape would give the value of the dialog before
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

/** Close the dialog with a value. */
export function answer(value = "") {
  document.getElementById("dialog").close(value);
}
