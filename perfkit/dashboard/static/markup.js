/**
 * The server's own HTML, read and put in place without any sink that Trusted Types guards.
 *
 * A page has one rendering, on the server. To be live it is fetched again, read here, and the document is changed where
 * it differs. What is read is what `perfkit.dashboard.html` writes, no HTML of anybody else.
 */

const VOID = new Set(["br", "col", "hr", "img", "input", "link", "meta", "wbr"]);
const NEVER = new Set(["script", "style", "iframe", "object", "embed", "base", "link", "meta", "noscript"]);
const URLS = new Set(["action", "formaction", "href", "src"]);
const GOOD_URL = /^(?:https?:\/\/|(?:cursor|idea|pycharm|subl|txmt|vscod(?:e|e-insiders|ium)|windsurf|zed):\/\/|\.{1,2}\/|[?#])[^\s\\]*$/;
const TOKEN = /<(\/?)([a-zA-Z][a-zA-Z0-9-]*)((?:\s+[^\s=<>"]+(?:="[^"]*")?)*)\s*>|<!doctype html>|([^<]+)/g;
const ATTRIBUTE = /([^\s=<>"]+)(?:="([^"]*)")?/g;
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'" };
const SVG = "http://www.w3.org/2000/svg";

/** @param {string} text @returns {string} */
const plain = (text) => (text.includes("&") ? text.replace(/&(?:amp|lt|gt|quot|#x27);/g, (each) => ENTITIES[each]) : text);

/**
 * Read a document.
 * @param {string} text
 * @returns {{tag: string, attributes: Map<string, string>, children: any[]}} its root
 */
export function read(text) {
  const root = { tag: "", attributes: new Map(), children: [] };
  const open = [root];
  for (const [, slash, tag, attributes, words] of text.matchAll(TOKEN)) {
    const parent = open[open.length - 1];
    if (words !== undefined) parent.children.push(plain(words));
    else if (slash) open.length > 1 && open.pop();
    else if (tag) {
      const element = { tag, attributes: new Map(), children: [] };
      for (const [, name, value] of attributes.matchAll(ATTRIBUTE)) element.attributes.set(name, plain(value ?? ""));
      parent.children.push(element);
      if (!VOID.has(tag)) open.push(element);
    }
  }
  return root;
}

/** Return the first element in *tree* that *wanted* says yes to. */
export function find(tree, wanted) {
  for (const child of tree.children) {
    if (typeof child === "string") continue;
    const found = wanted(child) ? child : find(child, wanted);
    if (found) return found;
  }
  return null;
}

const safe = (name, value) => !/^on|^style$|^srcdoc$/i.test(name) && (!URLS.has(name) || GOOD_URL.test(value));

function make(tree, parent) {
  if (typeof tree === "string") return document.createTextNode(tree);
  if (NEVER.has(tree.tag.toLowerCase())) return document.createTextNode("");
  const space = tree.tag === "svg" ? SVG : parent.namespaceURI === SVG ? SVG : null;
  const element = space ? document.createElementNS(space, tree.tag) : document.createElement(tree.tag);
  for (const [name, value] of tree.attributes) if (safe(name, value)) element.setAttribute(name, value);
  for (const child of tree.children) element.append(make(child, element));
  return element;
}

/**
 * Change *element* where it differs from *tree*; what a person opened, typed or focused stays.
 * @param {Element} element
 */
export function update(element, tree) {
  for (const { name } of [...element.attributes])
    if (!tree.attributes.has(name) && !kept(element, name)) element.removeAttribute(name);
  for (const [name, value] of tree.attributes)
    if (element.getAttribute(name) !== value && !kept(element, name) && safe(name, value)) element.setAttribute(name, value);
  let old = next(element.firstChild);
  for (const child of tree.children) {
    const after = old && next(old.nextSibling);
    if (!old) element.append(make(child, element));
    else if (typeof child === "string") {
      if (old.nodeType !== Node.TEXT_NODE) old.replaceWith(make(child, element));
      else if (old.data !== child) old.data = child;
    } else if (old.nodeType === Node.ELEMENT_NODE && old.localName === child.tag.toLowerCase() && same(old, child)) update(old, child);
    else old.replaceWith(make(child, element));
    old = after;
  }
  while (old) {
    const after = next(old.nextSibling);
    old.remove();
    old = after;
  }
}

/** Skip what script itself has added. */
function next(node) {
  while (node && node.nodeType === Node.ELEMENT_NODE && node.hasAttribute("data-own")) node = node.nextSibling;
  return node;
}

const same = (element, tree) => (element.id || "") === (tree.attributes.get("id") ?? "");
const kept = (element, name) =>
  (name === "open" && element.localName === "details") || (element.localName.includes("-") && /^(role|tabindex|data-held)$/.test(name)) || (name === "value" && element === document.activeElement);
