/**
 * A line chart on a canvas, in place of the server's drawing: what a moment was under the pointer or the arrow keys. A part
 * that is dragged over, or chosen by shift and arrows and Enter, goes into the address, and so the whole page shows it;
 * Escape leads back. Many points are drawn as one stroke from lowest to highest per pixel, so no spike is lost. Without
 * script, or before it has come, the server's drawing stands there.
 */

import { go } from "./live.js";

const LEFT = 56, RIGHT = 40, TOP = 8, BOTTOM = 20, HEIGHT = 228;
const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`
  :host { position: relative; }
  canvas { display: block; width: 100%; height: ${HEIGHT}px; touch-action: pan-y; }
  .tip { position: absolute; top: 12px; padding: 6px 10px; border-radius: 6px; background: CanvasText; color: Canvas; font-size: 12px; white-space: pre; pointer-events: none; font-variant-numeric: tabular-nums; }
  .tip:empty, .ink { display: none; }
`);

/** Three digits and a unit, as the server says it. */
function seconds(value) {
  if (value === null || value === undefined) return "—";
  const ms = value < 0.9995, number = ms ? value * 1000 : value;
  if (number <= 0) return "0 ms";
  const digits = Math.min(3, Math.max(0, 2 - Math.floor(Math.log10(Number(number.toPrecision(3))))));
  return `${number.toFixed(digits)} ${ms ? "ms" : "s"}`;
}

/** The time of the day of *seconds*, which are those of the server's zone already. */
const clock = (seconds, short = false) => new Date(seconds * 1000).toISOString().slice(11, short ? 16 : 19);

/** Round values from 0 to one not below *highest*. */
function ticks(highest) {
  if (!(highest > 0)) return [0, 1];
  const rough = highest / 3, magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [5, 2.5, 2, 1].map((each) => each * magnitude).find((each) => each <= rough * (1 + 1e-9));
  return Array.from({ length: Math.ceil((highest / step) * (1 - 1e-9)) + 1 }, (_, at) => at * step);
}

class Chart extends HTMLElement {
  static observedAttributes = ["data-series"];

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [STYLE];
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.setAttribute("role", "status");
    this.ink = document.createElement("span");
    this.ink.className = "ink";
    root.append(this.canvas, this.tip, this.ink);
    this.at = null;
    this.from = null;
  }

  connectedCallback() {
    this.tabIndex = 0;
    this.setAttribute("role", "application");
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this);
    const again = () => this.draw(true);
    this.schemes = ["(prefers-color-scheme: dark)", "(forced-colors: active)"].map((each) => matchMedia(each));
    for (const each of this.schemes) each.addEventListener("change", again);
    document.addEventListener("perfkit-theme", again);
    this.forget = () => {
      for (const each of this.schemes) each.removeEventListener("change", again);
      document.removeEventListener("perfkit-theme", again);
    };
    this.addEventListener("pointermove", (event) => this.point(this.index(event.offsetX)));
    this.addEventListener("pointerleave", () => { this.from = null; this.point(null); });
    this.addEventListener("pointerdown", (event) => { this.from = this.index(event.offsetX); });
    this.addEventListener("pointerup", (event) => this.zoom(this.index(event.offsetX)));
    this.addEventListener("keydown", (event) => this.key(event));
    this.addEventListener("blur", () => this.point(null));
  }

  disconnectedCallback() {
    this.sizes?.disconnect();
    this.forget?.();
  }

  attributeChangedCallback() {
    try {
      this.data = JSON.parse(this.dataset.series);
    } catch {
      this.data = null;
    }
    this.from = null;
    if (this.data && this.at > this.bounds[1]) this.at = null;
    this.draw();
  }

  /** The first and last point in sight. */
  get bounds() {
    return [0, this.data.lines[0].values.length - 1];
  }

  index(x) {
    const [first, last] = this.bounds;
    const share = (x - LEFT) / Math.max(1, this.clientWidth - LEFT - RIGHT);
    return Math.round(first + Math.min(1, Math.max(0, share)) * (last - first));
  }

  point(at) {
    if (at === this.at) return;
    this.at = at;
    this.toggleAttribute("data-held", at !== null);
    this.draw();
  }

  /** Have the page show the part from where the choice began to the point *to*. */
  zoom(to) {
    const from = this.from;
    this.from = null;
    this.draw();
    if (from === null || Math.abs(to - from) < 2) return;
    const start = Math.floor(this.time(Math.min(from, to)));
    go((query) => {
      query.set("from", start);
      query.set("to", Math.max(start + 10, Math.ceil(this.time(Math.max(from, to)))));
    });
  }

  /** Have the page show its whole range again. */
  whole() {
    this.from = null;
    this.point(null);
    this.draw();
    if (new URLSearchParams(location.search).has("from")) go((query) => ["from", "to"].forEach((name) => query.delete(name)));
  }

  key(event) {
    const [first, last] = this.bounds, page = Math.max(1, Math.round((last - first) / 10));
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -page, PageDown: page };
    if (event.key in moves) {
      if (!event.shiftKey) this.from = null;
      else this.from ??= this.at ?? last;
      this.point(Math.min(last, Math.max(first, (this.at ?? last + 1) + moves[event.key])));
    } else if (event.key === "Enter" && this.from !== null) this.zoom(this.at);
    else if (event.key === "Home") this.point(first);
    else if (event.key === "End") this.point(last);
    else if (event.key === "Escape") this.whole();
    else return;
    event.preventDefault();
  }

  /** The colour that a token has here and now. */
  colour(name) {
    this.ink.style.color = matchMedia("(forced-colors: active)").matches ? "CanvasText" : `var(--${name})`;
    return getComputedStyle(this.ink).color;
  }

  palette(anew) {
    const key = `${document.documentElement.dataset.theme}`;
    if (!anew && this.colours?.key === key) return this.colours;
    const names = ["grid", "muted", "text", "warn-line", ...this.data.lines.map((each) => each.name)];
    this.colours = { key, ...Object.fromEntries(names.map((name) => [name, this.colour(name)])) };
    return this.colours;
  }

  draw(anew = false) {
    if (!this.data || !this.isConnected || !this.clientWidth) return;
    const ratio = devicePixelRatio || 1, width = this.clientWidth, colours = this.palette(anew);
    if (this.canvas.width !== Math.round(width * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(HEIGHT * ratio);
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, HEIGHT);
    pen.font = "12px system-ui, sans-serif";
    const [first, last] = this.bounds;
    let highest = 0;
    for (const { values } of this.data.lines) for (let at = first; at <= last; at++) if (values[at] > highest) highest = values[at];
    const goal = this.data.target;
    const steps = ticks(goal !== null && goal <= highest * 2 ? Math.max(highest, goal) : highest);
    const top = steps[steps.length - 1], right = width - RIGHT, foot = HEIGHT - BOTTOM;
    const x = (at) => LEFT + ((right - LEFT) * (at - first)) / Math.max(1, last - first);
    const y = (value) => foot - ((foot - TOP) * value) / top;
    pen.fillStyle = colours.grid;
    for (const [from, to] of this.data.gaps ?? []) pen.fillRect(x(from - 0.5), TOP, x(to + 0.5) - x(from - 0.5), foot - TOP);
    this.axes(pen, colours, steps, x, y, right, foot);
    this.moments(pen, colours, x, right, foot);
    if (goal !== null && goal <= top) {
      pen.strokeStyle = colours["warn-line"];
      pen.setLineDash([4, 4]);
      pen.beginPath();
      pen.moveTo(LEFT, y(goal));
      pen.lineTo(right, y(goal));
      pen.stroke();
      pen.setLineDash([]);
    }
    const labels = [];
    for (const line of this.data.lines) {
      this.line(pen, colours[line.name], line, first, last, x, y, right - LEFT);
      for (let at = last; at >= first; at--) {
        if (line.values[at] === null) continue;
        labels.push([y(line.values[at]), line.name]);
        break;
      }
    }
    labels.sort((a, b) => a[0] - b[0]);
    let free = 0;
    pen.textAlign = "start";
    for (const [place, name] of labels) {
      free = Math.max(place, free);
      pen.fillStyle = colours[name];
      pen.fillText(name, right + 8, free + 4);
      free += 14;
    }
    this.cross(pen, colours, x, foot);
  }

  axes(pen, colours, steps, x, y, right, foot) {
    pen.lineWidth = 1;
    pen.strokeStyle = colours.grid;
    pen.fillStyle = colours.muted;
    pen.textAlign = "end";
    for (const step of steps) {
      const place = Math.round(y(step)) + 0.5;
      pen.beginPath();
      pen.moveTo(LEFT, place);
      pen.lineTo(right, place);
      pen.stroke();
      pen.fillText(step ? seconds(step) : "0", LEFT - 8, place + 4);
    }
    const [first, last] = this.bounds;
    pen.textAlign = "center";
    for (const [at, said] of this.times(first, last, Math.max(2, Math.min(6, Math.floor((right - LEFT) / 70)))))
      pen.fillText(said, x(at), foot + 15);
  }

  /** Releases and the like: a line each, and the name where there is room for it. */
  moments(pen, colours, x, right, foot) {
    const { end, step, moments } = this.data, last = this.bounds[1];
    let free = 0;
    pen.lineWidth = 1;
    for (const { at, name } of moments ?? []) {
      const place = Math.round(x(last - (end - at) / step)) + 0.5;
      if (place < LEFT) continue;
      pen.strokeStyle = pen.fillStyle = colours.muted;
      pen.setLineDash([2, 2]);
      pen.beginPath();
      pen.moveTo(place, TOP);
      pen.lineTo(place, foot);
      pen.stroke();
      pen.setLineDash([]);
      const isLate = place > LEFT + (right - LEFT) * 0.6, wide = pen.measureText(name).width + 10;
      if (place - (isLate ? wide : 0) < free) continue;
      free = place + (isLate ? 0 : wide);
      pen.textAlign = isLate ? "end" : "start";
      pen.fillText(name, place + (isLate ? -5 : 5), TOP + 8);
    }
  }

  line(pen, colour, { values, name }, first, last, x, y, width) {
    pen.strokeStyle = colour;
    pen.lineWidth = name === "p95" ? 2.25 : 1.75;
    pen.lineJoin = "round";
    if (matchMedia("(forced-colors: active)").matches) pen.setLineDash(name === "p50" ? [2, 3] : name === "p99" ? [7, 4] : []);
    pen.beginPath();
    let isDrawing = false;
    const each = Math.max(1, Math.floor((last - first + 1) / Math.max(1, width)));
    for (let at = first; at <= last; at += each) {
      let low = Infinity, high = -Infinity;
      for (let one = at; one < at + each && one <= last; one++) {
        const value = values[one];
        if (value === null || value === undefined) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      if (high === -Infinity) {
        isDrawing = false;
        continue;
      }
      const place = x(at);
      isDrawing ? pen.lineTo(place, y(high)) : pen.moveTo(place, y(high));
      if (low < high) pen.lineTo(place, y(low));
      else if (!isDrawing) pen.lineTo(place + 0.1, y(high));
      isDrawing = true;
    }
    pen.stroke();
    pen.setLineDash([]);
  }

  cross(pen, colours, x, foot) {
    if (this.at === null) {
      this.tip.textContent = "";
      return;
    }
    const place = x(this.at);
    pen.strokeStyle = colours.text;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(place, TOP);
    pen.lineTo(place, foot);
    pen.stroke();
    if (this.from !== null && this.from !== this.at) {
      pen.globalAlpha = 0.12;
      pen.fillStyle = colours.text;
      pen.fillRect(Math.min(x(this.from), place), TOP, Math.abs(place - x(this.from)), foot - TOP);
      pen.globalAlpha = 1;
    }
    const said = this.data.lines.map(({ name, values }) => `${name}  ${seconds(values[this.at])}`);
    this.tip.textContent = [this.when(this.at), ...said].join("\n");
    const isRight = place > this.clientWidth / 2;
    this.tip.style.left = isRight ? "auto" : `${place + 10}px`;
    this.tip.style.right = isRight ? `${this.clientWidth - place + 10}px` : "auto";
  }

  /** Up to *most* whole times of the clock between two points: where each lies among the points, and its words. */
  times(first, last, most) {
    const { step, offset } = this.data, begin = this.time(0) + offset, from = begin + first * step, to = begin + last * step, told = [];
    const every = STEPS.find((each) => (to - from) / each <= most) ?? 86400 * Math.ceil((to - from) / 86400 / most);
    for (let at = Math.ceil(from / every) * every; at <= to; at += every) told.push([(at - begin) / step, clock(at, every >= 60)]);
    return told;
  }

  /** The Unix seconds of a point. */
  time(at) {
    return this.data.end - (this.bounds[1] - at) * this.data.step;
  }

  /** The server's clock time of a point. */
  when(at) {
    return clock(this.time(at) + this.data.offset);
  }
}

customElements.define("perfkit-chart", Chart);
