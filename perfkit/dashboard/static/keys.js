/** Everything by keyboard: pages, rows, groups, copying. One-letter keys act only where nothing is being written. */

import { toggle } from "./live.js";

const HELP = [
  ["g then a letter", "go to a page (its letter stands in its link)"],
  ["j, k or arrows", "next, previous row"],
  ["Enter", "open the row"],
  ["x", "open or close what is folded"],
  ["/", "filter"],
  ["c", "copy the fix in sight"],
  ["e", "open the line in sight in the editor"],
  ["[ and ]", "shorter or longer range"],
  ["p", "pause, go on"],
  ["t", "theme"],
  ["?", "this help"],
  ["on a chart: arrows, Home, End", "tell each moment"],
  ["shift + arrows, Enter", "show a part of it"],
  ["Escape", "show the whole range"],
];

let leader = 0;

/** @returns {Storage | null} */
const storage = () => { try { return localStorage; } catch { return null; } };

export function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  storage()?.setItem("perfkit-theme", root.dataset.theme);
  document.dispatchEvent(new Event("perfkit-theme"));
}

export function help() {
  let dialog = document.querySelector("dialog");
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.setAttribute("aria-label", "Keys");
    const list = document.createElement("dl");
    for (const [keys, what] of HELP) {
      const name = document.createElement("dt"), says = document.createElement("dd"), key = document.createElement("kbd");
      key.textContent = keys;
      name.append(key);
      says.textContent = what;
      list.append(name, says);
    }
    const row = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox";
    box.checked = enabled();
    box.addEventListener("change", () => storage()?.setItem("perfkit-keys", box.checked ? "on" : "off"));
    row.append(box, " Keys of one letter are on");
    const form = document.createElement("form"), close = document.createElement("button");
    form.method = "dialog";
    close.textContent = "Close";
    form.append(close);
    dialog.append(list, row, form);
    document.body.append(dialog);
  }
  dialog.open ? dialog.close() : dialog.showModal();
}

const enabled = () => storage()?.getItem("perfkit-keys") !== "off";

/** @returns {HTMLElement[]} what one can walk through: the links that open rows, and the titles of findings */
const rows = () => [...document.querySelectorAll("main tbody th a, main tbody th[tabindex], main .finding summary, main .row summary")]
  .filter((each) => each.checkVisibility());

function step(by) {
  const all = rows(), at = all.indexOf(document.activeElement);
  all[Math.min(all.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by))]?.focus();
}

function fold() {
  const near = document.activeElement?.closest("details, .finding, tr")?.querySelector("summary") ??
    document.activeElement?.closest("details")?.querySelector("summary") ?? document.querySelector("main summary");
  near?.click();
}

function edit() {
  const near = document.activeElement?.closest(".finding, tr, .source")?.querySelector(".editor");
  (near ?? document.querySelector("main .editor"))?.click();
}

/** Out of a part of the past, where the view shows one. */
function whole() {
  document.querySelector(".pan .out")?.click();
}

function range(by) {
  const all = [...document.querySelectorAll(".ranges:not(.pan) a")], at = all.findIndex((each) => each.hasAttribute("aria-current"));
  all[at + by]?.click();
}

function copy() {
  const near = document.activeElement?.closest(".finding, .fix")?.querySelector(".copy");
  (near ?? document.querySelector(".fix .copy"))?.click();
}

const KEYS = {
  "?": help, "/": () => document.querySelector("[type=search]")?.focus(),
  j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
  x: fold, c: copy, e: edit, p: toggle, t: theme, "[": () => range(-1), "]": () => range(1), Escape: whole,
  g: () => { leader = Date.now(); },
};

export function start() {
  addEventListener("keydown", (event) => {
    const field = event.target.closest?.("input, select, textarea, [contenteditable], perfkit-chart, .scroll:not(:focus-within)");
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || field || !enabled() && event.key !== "?") return;
    if (event.key.startsWith("Arrow") && !rows().includes(document.activeElement)) return;
    if (leader && Date.now() - leader < 1500 && event.key !== "g") {
      leader = 0;
      document.querySelector(`.pages [data-key="${CSS.escape(event.key)}"]`)?.click();
      return event.preventDefault();
    }
    const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
    if (act) {
      event.preventDefault();
      act();
    }
  });
}
