/** Fingers, pens and mice on the easel: one paints, two zoom and move. */

const NEAR = 12;

/**
 * @typedef {Object} Painter what the pointers do things to
 * @property {import("./viewport.js").Viewport} viewport
 * @property {() => string} tool brush, erase, polygon, fill or pan
 * @property {() => number} radius of the brush, in pixels of the photograph
 * @property {(action: Object) => void} sketch draw a piece of what goes on
 * @property {(action: Object) => void} commit it is done
 * @property {() => void} revert forget what was sketched
 * @property {() => void} refresh
 */

export class Pointing {
  /** @param {HTMLCanvasElement} canvas @param {import("./easel.js").Easel} easel @param {Painter} painter */
  constructor(canvas, easel, painter) {
    Object.assign(this, { canvas, easel, painter, touches: new Map(), stroke: null });
    this.listening = new AbortController();
    const listen = (name, call) => canvas.addEventListener(name, call.bind(this), { signal: this.listening.signal, passive: false });
    listen("pointerdown", this.#down);
    listen("pointermove", this.#move);
    listen("pointerup", this.#up);
    listen("pointercancel", this.#up);
    listen("pointerleave", this.#leave);
    listen("wheel", this.#wheel);
    listen("dblclick", () => this.closePolygon());
  }

  stop() {
    this.listening.abort();
  }

  /** What the tool does at a point without moving; the keyboard's way too. */
  dab(point) {
    const { painter } = this;
    const tool = painter.tool();
    if (tool === "polygon") this.#corner(point);
    else if (tool === "fill") this.#fill(point);
    else if (tool !== "pan") painter.commit(this.#newStroke(point));
  }

  /** Two corners are none, and are dropped. */
  closePolygon() {
    const points = this.easel.corners;
    this.easel.corners = [];
    if (points.length > 2) this.painter.commit({ kind: "polygon", erase: false, points });
    this.painter.refresh();
  }

  cancelPolygon() {
    const open = this.easel.corners.length > 0;
    this.easel.corners = [];
    this.painter.refresh();
    return open;
  }

  #down(event) {
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.touches.set(event.pointerId, this.#place(event));
    if (this.touches.size > 1) this.#abandon();
    else if (event.button === 0) this.#begin(this.#point(event));
  }

  #begin(point) {
    const tool = this.painter.tool();
    if (tool === "brush" || tool === "erase") {
      this.stroke = this.#newStroke(point);
      this.painter.sketch(this.stroke);
    } else if (tool !== "pan") this.dab(point);
  }

  #newStroke(point) {
    return { kind: "stroke", erase: this.painter.tool() === "erase", radius: this.painter.radius(), points: [point] };
  }

  #move(event) {
    this.#hover(event);
    const before = this.touches.get(event.pointerId);
    if (!before) return;
    const now = this.#place(event);
    if (this.touches.size > 1) this.#pinch(event.pointerId, before, now);
    else if (this.stroke) this.#paint(event);
    else if (this.painter.tool() === "pan" || event.buttons & 6) {
      this.painter.viewport.pan(now[0] - before[0], now[1] - before[1]);
    }
    this.touches.set(event.pointerId, now);
    this.painter.refresh();
  }

  #paint(event) {
    // Browsers join moves to one a frame; the pen was in all these places.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) {
      const point = this.#point(each);
      this.painter.sketch({ ...this.stroke, points: [this.stroke.points.at(-1), point] });
      this.stroke.points.push(point);
    }
  }

  #pinch(id, before, now) {
    const other = [...this.touches].find(([each]) => each !== id)[1];
    const distance = ([x, y]) => Math.hypot(x - other[0], y - other[1]);
    const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    this.painter.viewport.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.painter.viewport.zoom(distance(now) / Math.max(1, distance(before)), middle);
  }

  #up(event) {
    if (this.stroke && this.touches.size === 1) {
      const stroke = this.stroke;
      this.stroke = null;
      this.painter.commit(stroke);
    }
    this.touches.delete(event.pointerId);
  }

  /** A second finger came: the first one was not painting. */
  #abandon() {
    if (!this.stroke) return;
    this.stroke = null;
    this.painter.revert();
  }

  #corner(point) {
    const { corners } = this.easel;
    const [x, y] = this.painter.viewport.toScreen(point);
    const first = corners.length > 2 && this.painter.viewport.toScreen(corners[0]);
    if (first && Math.hypot(x - first[0], y - first[1]) < NEAR) this.closePolygon();
    else corners.push(point);
    this.painter.refresh();
  }

  #fill([x, y]) {
    const { width, height } = this.painter.viewport.photo;
    if (x >= 0 && y >= 0 && x < width && y < height) this.painter.commit({ kind: "fill", point: [x, y] });
  }

  #hover(event) {
    const radius = ["brush", "erase"].includes(this.painter.tool()) ? this.painter.radius() : 0;
    this.easel.cursor = { point: this.#point(event), radius };
    this.painter.refresh();
  }

  #leave() {
    this.easel.cursor = null;
    this.painter.refresh();
  }

  #wheel(event) {
    event.preventDefault();
    this.painter.viewport.zoom(Math.exp(-event.deltaY / 400), this.#place(event));
    this.#hover(event);
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #point(event) {
    return this.painter.viewport.toPhoto(this.#place(event));
  }
}
