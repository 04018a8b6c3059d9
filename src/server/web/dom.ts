/** Small helpers over the document. Strings from outside only ever become text nodes. */

/** The element with this id, of this class. Throws when the page lacks it: a bug, not a condition. */
export function byId<T extends Element>(id: string, type: { new (): T }): T {
  const e = document.getElementById(id);
  if (!(e instanceof type)) throw new Error(`the page lacks #${id}`);
  return e;
}

/** A new element with a class name and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  e.className = className;
  e.append(...children);
  return e;
}

/** An icon of the sprite in index.html. */
export function icon(name: string): SVGSVGElement {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(ns, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

const screens = ["landing", "insecure", "lobby", "call", "ended"] as const;

/** Shows one screen and hides the others. */
export function showScreen(name: (typeof screens)[number]): void {
  for (const id of screens) byId(id, HTMLElement).hidden = id !== name;
  document.body.dataset.screen = name;
}

/** Makes a toggle button show and say whether it is on. */
export function setToggle(button: HTMLButtonElement, on: boolean, iconName: string, label: string): void {
  button.setAttribute("aria-pressed", String(on));
  button.setAttribute("aria-label", label);
  button.title = label;
  button.querySelector("use")?.setAttribute("href", `#i-${iconName}${on ? "" : "-off"}`);
}

const TOAST_MS = 6000;

/** A short message that goes away by itself. */
export function toast(text: string, kind: "info" | "error" = "info"): void {
  const stack = byId("toasts", HTMLElement);
  const e = make("div", `toast ${kind}`, icon(kind === "error" ? "alert" : "info"), make("span", "", text));
  while (stack.childElementCount >= 4) stack.firstElementChild?.remove();
  stack.append(e);
  window.setTimeout(() => e.remove(), TOAST_MS);
}

/** Takes all toasts away. */
export function clearToasts(): void {
  byId("toasts", HTMLElement).replaceChildren();
}

/** A stable hue for a person, from the id. */
export function hueOf(id: string): number {
  let h = 0;
  for (const c of id) h = (h * 31 + c.charCodeAt(0)) % 360;
  return h;
}

/** One or two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.split(/\s+/u).filter((w) => /^[\p{L}\p{N}]/u.test(w));
  const letters = [words[0], words.length > 1 ? words[words.length - 1] : undefined];
  return letters.map((w) => [...(w ?? "")][0]?.toUpperCase() ?? "").join("");
}
