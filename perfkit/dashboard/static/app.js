/** What script adds to a page that is whole without it: live numbers, keys, copying, the theme, charts under the pointer. */

import "./chart.js";
import { help, start as keys, theme } from "./keys.js";
import { start as live } from "./live.js";

function button(text, label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.title = label;
  made.setAttribute("aria-label", label);
  made.dataset.own = "";
  made.addEventListener("click", act);
  return made;
}

async function copied(text, made) {
  try {
    await navigator.clipboard.writeText(text);
    made.textContent = "Copied";
  } catch {
    made.textContent = "Press Ctrl + C";
    const code = made.parentElement.querySelector("pre");
    if (code) getSelection().selectAllChildren(code);
  }
  setTimeout(() => { made.textContent = "Copy"; }, 2000);
}

/** Put a button beside each text to copy that has none. */
function buttons() {
  for (const code of document.querySelectorAll(".fix pre, .steps pre, .command pre")) {
    if (code.parentElement.querySelector(".copy")) continue;
    const made = button("Copy", "Copy this text", () => copied(code.textContent.trim(), made));
    made.classList.add("copy");
    code.after(made);
  }
}

/** The address of what is in sight: of a range that goes along with time, the times that it shows now. */
async function link(event) {
  const address = new URL(location.href), query = address.searchParams, data = document.querySelector("perfkit-chart")?.data;
  for (const name of ["done", "live", "t"]) query.delete(name);
  if (data && !query.has("from")) {
    query.set("from", Math.floor(data.end - data.step * data.lines[0].values.length));
    query.set("to", Math.floor(data.end));
  }
  const made = event.currentTarget;
  try {
    await navigator.clipboard.writeText(address);
    made.textContent = "✓";
  } catch {
    prompt("Copy this link", address);
  }
  setTimeout(() => { made.textContent = "#"; }, 2000);
}

const tools = document.createElement("span");
tools.className = "tools";
tools.append(button("#", "Copy a link to what you see", link), button("?", "Keys (?)", help), button("◐", "Light or dark (t)", theme));
document.querySelector(".top").append(tools);
// On a phone the pages are a strip that is wider than the screen.
document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
buttons();
document.addEventListener("perfkit-update", buttons);
keys();
live();
