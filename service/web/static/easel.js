/** The canvas a mask is painted on: photograph, mask, what is being drawn, and the cursor. */

import { draw, drawBits } from "./mask_canvas.js";

const ANTS = [6, 5];
const COVER = 0.55;
const CORNER = 4;

export class Easel {
  /**
   * @param {HTMLCanvasElement} canvas on the page.
   * @param {HTMLCanvasElement} picture the photograph, perhaps smaller than it is.
   * @param {import("./viewport.js").Viewport} viewport
   * @param {number[]} colour
   */
  constructor(canvas, picture, viewport, colour) {
    Object.assign(this, { canvas, picture, viewport, colour });
    this.css = `rgb(${colour.join(" ")})`;
    this.scale = picture.width / viewport.photo.width;
    this.mask = new OffscreenCanvas(picture.width, picture.height).getContext("2d", { willReadFrequently: true });
    this.pending = 0;
    this.cursor = null;
    this.corners = [];
  }

  /** Draws the mask again from its base and all actions. */
  replay(base, actions) {
    const { photo } = this.viewport;
    this.mask.clearRect(0, 0, this.picture.width, this.picture.height);
    if (base) drawBits(this.mask, base, photo.width, photo.height, this.colour);
    for (const action of actions) this.add(action);
    this.refresh();
  }

  /** Draws one more action onto the mask. */
  add(action) {
    draw(this.mask, action, this.scale, this.css);
    this.refresh();
  }

  /** Once before the next frame, however often it is called. */
  refresh() {
    this.pending ||= requestAnimationFrame(() => {
      this.pending = 0;
      this.#paint();
    });
  }

  #paint() {
    const { canvas, viewport } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(viewport.width * ratio), Math.round(viewport.height * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, viewport.width, viewport.height);
    context.imageSmoothingEnabled = viewport.scale < 3;
    const place = [viewport.x, viewport.y, viewport.photo.width * viewport.scale, viewport.photo.height * viewport.scale];
    context.drawImage(this.picture, ...place);
    context.globalAlpha = COVER;
    context.drawImage(this.mask.canvas, ...place);
    context.globalAlpha = 1;
    this.#outline(context);
    if (this.cursor) this.#ring(context);
  }

  /** The polygon that is not closed yet. */
  #outline(context) {
    if (!this.corners.length) return;
    const points = this.corners.map((point) => this.viewport.toScreen(point));
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    if (this.cursor) context.lineTo(...this.viewport.toScreen(this.cursor.point));
    doubled(context, ANTS);
    context.fillStyle = "#fff";
    for (const [x, y] of points) {
      context.beginPath();
      context.arc(x, y, CORNER, 0, 2 * Math.PI);
      doubled(context);
      context.fill();
    }
  }

  #ring(context) {
    const [x, y] = this.viewport.toScreen(this.cursor.point);
    const radius = this.cursor.radius ? this.cursor.radius * this.viewport.scale : 5;
    context.beginPath();
    context.arc(x, y, Math.max(1.5, radius), 0, 2 * Math.PI);
    doubled(context);
  }
}

/** A line that is seen on light and on dark. */
function doubled(context, dashes = []) {
  context.setLineDash([]);
  context.strokeStyle = "rgb(0 0 0 / 65%)";
  context.lineWidth = 3;
  context.stroke();
  context.setLineDash(dashes);
  context.strokeStyle = "#fff";
  context.lineWidth = 1.5;
  context.stroke();
  context.setLineDash([]);
}
