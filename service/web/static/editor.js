/** The dialog in which a mask is painted. */

import { ask } from "./ask.js";
import { h } from "./dom.js";
import { Easel } from "./easel.js";
import { History } from "./history.js";
import { icon } from "./icons.js";
import { rasterise } from "./mask_canvas.js";
import { enlarge } from "./photo.js";
import { Pointing } from "./pointing.js";
import { SHORTCUTS, shortcutHelp } from "./shortcuts.js";
import { Viewport } from "./viewport.js";

const TOOLS = [
  ["brush", "brush", "Brush (B)"], ["erase", "erase", "Eraser (E)"], ["polygon", "polygon", "Polygon (P)"],
  ["fill", "fill", "Fill an area (F)"], ["pan", "pan", "Move the picture (H)"],
];
const HINTS = {
  brush: "Paint over the object. Two fingers or the wheel zoom.",
  erase: "Rub out what does not belong to it.",
  polygon: "Click from corner to corner; close it at the first one, or with Enter.",
  fill: "Draw an outline with the brush, then click inside it.",
  pan: "Drag the picture, or move it by arrow keys. Two fingers do it with any tool.",
};
const LEAVING = {
  title: "Drop what you have painted?",
  text: "Closed now, this image stays as it was.",
  yes: "Drop it",
  no: "Go on painting",
};
// These do not end a polygon that is being drawn: it may reach beyond the screen.
const BESIDE_POLYGON = new Set(["polygon", "pan"]);
// A slider needs no other keys, and has the focus long after it was used.
const SLIDER_KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);
const NUDGE = 8;
const ZOOM = 1.3;

export class Editor {
  constructor() {
    this.opening = false;
    this.dialog = this.#build();
    document.body.append(this.dialog);
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#cancel();
    });
    new ResizeObserver(() => this.#resize()).observe(this.stage);
  }

  /**
   * Lets a person paint, one photograph at a time.
   * @param {{title: string, photo: import("./photo.js").Photo, base: Uint8Array|null,
   *   colour: number[], choices: {value: string, label: string, primary?: boolean}[]}} task
   * @returns {Promise<{choice: string, bits: Uint8Array}|null>} null: they changed their mind, or
   *     are painting already.
   * @throws {import("./problem.js").Problem} the photograph cannot be read any more.
   */
  async open(task) {
    if (this.opening || this.dialog.open) return null;
    this.opening = true;
    try {
      this.#show(task, await enlarge(task.photo));
    } finally {
      this.opening = false;
    }
    return new Promise((resolve) => { this.resolve = resolve; });
  }

  #show(task, picture) {
    Object.assign(this, { task, history: new History() });
    this.viewport = new Viewport(task.photo);
    this.easel = new Easel(this.canvas, picture, this.viewport, task.colour);
    this.pointing?.stop();
    this.pointing = new Pointing(this.canvas, this.easel, this.#painter());
    this.title.textContent = task.title;
    this.dialog.style.setProperty("--class", this.easel.css);
    this.actions.replaceChildren(...task.choices.map((choice) => this.#choice(choice)));
    this.help.hidden = true;
    this.#select("brush");
    this.dialog.showModal();
    this.#resize();
    this.viewport.fit();
    this.#limitSize();
    this.easel.replay(task.base, []);
    this.#changed();
    this.canvas.focus();
  }

  #painter() {
    return {
      viewport: this.viewport,
      tool: () => this.tool,
      radius: () => Number(this.size.value) / 2,
      sketch: (action) => this.easel.add(action),
      commit: (action) => {
        // A stroke is on the easel already, but in pieces that cover one another.
        this.history.add(action);
        this.#replay();
      },
      revert: () => this.#replay(),
      refresh: () => this.easel.refresh(),
    };
  }

  #replay() {
    this.easel.replay(this.task.base, this.history.done);
    this.#changed();
  }

  #changed() {
    // Not disabled: a button that is would lose the focus, and the keys with it.
    this.undo.setAttribute("aria-disabled", String(!this.history.done.length));
    this.redo.setAttribute("aria-disabled", String(!this.history.undone.length));
  }

  #command(name) {
    const { history, viewport } = this;
    if (name === "undo" && this.easel.corners.length) this.easel.corners.pop();
    else if (name === "undo") history.undo();
    else if (name === "redo") history.redo();
    else if (name === "invert" || name === "clear") history.add({ kind: name });
    else if (name === "zoomIn") viewport.zoom(ZOOM);
    else if (name === "zoomOut") viewport.zoom(1 / ZOOM);
    else if (name === "fit") viewport.fit();
    else if (name === "larger") this.#scaleSize(1.25);
    else if (name === "smaller") this.#scaleSize(1 / 1.25);
    else if (name === "help") this.help.hidden = !this.help.hidden;
    else this.#select(name);
    if (["undo", "redo", "invert", "clear"].includes(name)) this.#replay();
    this.easel.refresh();
  }

  #select(tool) {
    if (!BESIDE_POLYGON.has(tool)) this.pointing.closePolygon();
    this.tool = tool;
    for (const button of this.tools.children) button.setAttribute("aria-pressed", String(button.value === tool));
    this.hint.textContent = HINTS[tool];
    this.canvas.dataset.tool = tool;
  }

  #key(event) {
    // Not left to the browser, which closes a dialog without asking the second time.
    if (event.key === "Escape") {
      event.preventDefault();
      return this.#cancel();
    }
    if (event.target === this.size && SLIDER_KEYS.has(event.key)) return;
    if (event.target === this.canvas && this.#steer(event)) return event.preventDefault();
    const command = SHORTCUTS.find((each) => each.matches(event))?.command;
    if (!command) return;
    event.preventDefault();
    this.#command(command);
  }

  /** The keyboard's pointer; whether the key was one of its own. */
  #steer(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const step = NUDGE * (event.shiftKey ? 4 : 1);
    if (way && this.tool === "pan") this.viewport.pan(-4 * way[0] * step, -4 * way[1] * step);
    else if (way) this.#moveCursor(way.map((each) => (each * step) / this.viewport.scale));
    else if (event.key === " ") this.pointing.dab(this.#point());
    else if (event.key === "Enter" && this.easel.corners.length) this.pointing.closePolygon();
    else return false;
    this.easel.refresh();
    return true;
  }

  /** Over the photograph, which comes along where it is larger than the screen. */
  #moveCursor([dx, dy]) {
    const [x, y] = this.#point();
    const point = this.viewport.inside([x + dx, y + dy]);
    const radius = ["brush", "erase"].includes(this.tool) ? Number(this.size.value) / 2 : 0;
    this.easel.cursor = { point, radius };
    this.viewport.reveal(point);
  }

  /** Where the keyboard's pointer is: in the middle of the screen until it is moved. */
  #point() {
    const { viewport, easel } = this;
    return easel.cursor?.point ?? viewport.inside(viewport.toPhoto([viewport.width / 2, viewport.height / 2]));
  }

  #limitSize() {
    const side = Math.max(this.task.photo.width, this.task.photo.height);
    Object.assign(this.size, { min: 1, max: Math.ceil(side / 4), value: Math.ceil(side / 20) });
  }

  #scaleSize(factor) {
    const value = Number(this.size.value);
    this.size.value = factor > 1 ? Math.max(value + 1, value * factor) : Math.min(value - 1, value * factor);
    if (this.easel.cursor) this.easel.cursor.radius = Number(this.size.value) / 2;
  }

  #resize() {
    if (!this.viewport || !this.dialog.open) return;
    this.viewport.resize(this.stage.clientWidth, this.stage.clientHeight);
    this.easel.refresh();
  }

  /** Gives up the polygon that is open, or else the painting. */
  #cancel() {
    if (!this.pointing.cancelPolygon()) this.#leave();
  }

  /** Whether there is anything on the easel that would be dropped. */
  get painted() {
    return this.dialog.open && (this.history.done.length > 0 || this.easel.corners.length > 0);
  }

  async #leave() {
    if (!this.painted || (await ask(LEAVING))) this.#close(null);
  }

  #close(choice) {
    if (choice) this.pointing.closePolygon();
    const { base, photo } = this.task;
    const { width, height } = photo;
    const result = choice && { choice, bits: rasterise(base, this.history.done, width, height) };
    this.pointing.stop();
    this.dialog.close();
    this.resolve(result);
  }

  #choice({ value, label, primary }) {
    const kind = primary ? "button primary" : "button";
    return h("button", { type: "button", class: kind, value, onclick: () => this.#close(value) }, label);
  }

  #tool([value, symbol, label]) {
    const select = () => this.#command(value);
    return h("button", { type: "button", class: "tool", value, title: label, "aria-label": label, onclick: select }, icon(symbol));
  }

  #build() {
    const button = (command, symbol, label) => this.#tool([command, symbol, label]);
    this.title = h("h2", { id: "editor-title" });
    this.tools = h("div", { class: "tools", role: "group", "aria-label": "Tools" }, ...TOOLS.map((tool) => this.#tool(tool)));
    this.size = h("input", { type: "range", id: "brush-size", "aria-label": "Size of the brush" });
    this.undo = button("undo", "undo", "Undo (Z)");
    this.redo = button("redo", "redo", "Redo (Y)");
    this.canvas = h("canvas", { tabindex: 0, role: "application", "aria-label": "Photograph to paint on: arrow keys move, the space bar paints" });
    this.hint = h("p", { class: "hint", "aria-live": "polite" });
    this.actions = h("div", { class: "actions" });
    this.help = shortcutHelp();
    this.stage = h("div", { class: "stage" }, this.canvas, this.help);
    return h("dialog", { class: "editor", "aria-labelledby": "editor-title" },
      h("header", {}, h("span", { class: "swatch" }), this.title,
        button("help", "help", "Keyboard shortcuts (?)"),
        h("button", { type: "button", class: "tool", "aria-label": "Close without keeping", title: "Close (Esc)", onclick: () => this.#leave() }, icon("close"))),
      h("div", { class: "toolbar" }, this.tools,
        h("label", { class: "size" }, h("span", {}, "Size"), this.size),
        h("div", { class: "tools", role: "group", "aria-label": "Changes" }, this.undo, this.redo,
          button("invert", "invert", "Invert (I)"), button("clear", "clear", "Clear (Delete)")),
        h("div", { class: "tools", role: "group", "aria-label": "View" }, button("zoomOut", "zoomOut", "Smaller (-)"),
          button("zoomIn", "zoomIn", "Larger (+)"), button("fit", "fit", "Fit (0)"))),
      this.stage,
      h("footer", {}, this.hint, this.actions));
  }
}
