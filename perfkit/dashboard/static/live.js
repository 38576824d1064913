/** The page as it is now: fetched again every two seconds while somebody looks, and changed where it differs. */

import { find, read, update } from "./markup.js";

const EVERY = 2000, IDLE = 10_000, MOST = 30_000, UNFOCUSED = 30_000;

let tag = "", delay = EVERY, timer = 0, since = 0, last = Date.now(), focused = Date.now(), paused = false;

/** @returns {boolean} whether a person reads or writes something that must not move */
function held() {
  const selected = document.getSelection();
  const field = document.activeElement;
  return (selected && selected.type === "Range") || document.querySelector("dialog[open], [data-held]") !== null ||
    (field && /^(INPUT|SELECT|TEXTAREA)$/.test(field.tagName));
}

/** Say that there is no answer, or that there is one again. */
function say(text) {
  document.documentElement.toggleAttribute("data-stale", Boolean(text));
  let line = document.getElementById("no-answer");
  if (!text) return void line?.remove();
  if (!line) {
    line = document.createElement("p");
    line.id = "no-answer";
    line.className = "notice held";
    line.dataset.own = "";
    line.setAttribute("role", "status");
    document.querySelector("main").prepend(line);
  }
  line.textContent = text;
}

const clock = (at) => new Date(at).toTimeString().slice(0, 8);

async function look(isWished = false) {
  const address = new URL(location.href);
  address.hash = "";
  for (const name of ["done", "live", "t"]) address.searchParams.delete(name);
  const answer = await fetch(address, { headers: tag ? { "if-none-match": tag } : {}, cache: "no-store" });
  if (answer.status === 304) return true;
  if (answer.status === 404) {
    say("You may no longer see this page. Load it again with a token.");
    paused = true;
    return true;
  }
  if (!answer.ok) throw new Error(String(answer.status));
  const tree = read(await answer.text());
  if (!isWished && held()) return true;
  tag = answer.headers.get("etag") ?? "";
  const title = find(tree, (each) => each.tag === "title");
  if (title) document.title = title.children.join("");
  for (const [selector, wanted] of [
    ["main", (each) => each.tag === "main"],
    [".where", (each) => each.attributes.get("class") === "where"],
    [".time", (each) => each.attributes.get("class") === "time"],
    ["ul.pages", (each) => each.attributes.get("class") === "pages"],
    [".bottom", (each) => each.attributes.get("class") === "bottom"],
  ]) {
    const element = document.querySelector(selector), found = find(tree, wanted);
    if (element && found) update(element, found);
  }
  document.dispatchEvent(new Event("perfkit-update"));
  return true;
}

async function round() {
  if (document.hidden || paused) return;
  try {
    if (!held()) await look();
    last = Date.now();
    delay = EVERY;
    if (since && !paused) say("");
    since = 0;
  } catch {
    since ||= last;
    delay = Math.min(MOST, delay * 2);
    say(`No answer since ${clock(since)}, trying again every ${Math.round(delay / 1000)} s.`);
  }
  plan();
}

/** Show another view of this page; *change* is given its query. Back and forward lead from one to the other. */
export async function go(change) {
  const address = new URL(location.href);
  change(address.searchParams);
  address.searchParams.delete("done");
  history.pushState(null, "", address);
  await wished();
}

async function wished() {
  tag = "";
  try {
    await look(true);
  } catch {
    location.reload();
  }
}

function plan() {
  clearTimeout(timer);
  if (document.hidden || paused) return;
  const idle = !document.hasFocus() && Date.now() - focused > UNFOCUSED;
  const wait = Math.max(delay, idle ? IDLE : 0);
  timer = setTimeout(round, wait * (0.9 + 0.2 * Math.random()));
}

function show() {
  const link = document.querySelector(".live");
  link.classList.toggle("on", !paused);
  link.title = paused ? "Show what is now (p)" : "Hold the page as it is (p)";
  link.querySelector(".word").textContent = paused ? "Paused" : "Live";
}

export function toggle() {
  paused = !paused;
  show();
  paused ? clearTimeout(timer) : round();
}

export function start() {
  const link = document.querySelector(".live");
  link.setAttribute("role", "button");
  link.addEventListener("click", (event) => { event.preventDefault(); toggle(); });
  link.addEventListener("keydown", (event) => { if (event.key === " ") { event.preventDefault(); toggle(); } });
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : round()));
  addEventListener("popstate", wished);
  addEventListener("focus", () => { focused = Date.now(); plan(); });
  addEventListener("blur", () => { focused = Date.now(); });
  show();
  plan();
}
