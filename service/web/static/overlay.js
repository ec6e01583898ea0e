/** Masks over a photograph: tinted, with a firm outline. */

import { paintRle } from "./rle.js";

const TINT = 120;
const FIRM = 255;
const WIDTH = 2;

export class Overlay {
  /** @param {HTMLCanvasElement} canvas the masks are drawn on; its size stays. */
  constructor(canvas) {
    Object.assign(this, { canvas, shown: "", colours: "" });
  }

  /**
   * Draws again what has changed: large photographs have large masks, and pages ask often.
   * @param {{number: number, rle: Object}[]} masks from the lowest to the topmost, with the numbers
   *     of their colours from 1.
   * @param {(number[]|null)[]} colours null where a class is hidden.
   */
  show(masks, colours) {
    const shown = JSON.stringify(masks.map(({ number, rle }) => [number, rle.counts]));
    const asked = JSON.stringify(colours);
    if (shown === this.shown && asked === this.colours) return;
    if (shown !== this.shown) this.labels = this.#labels(masks);
    Object.assign(this, { shown, colours: asked });
    draw(this.canvas, this.labels, colours);
  }

  /** What every pixel of the canvas is: 0, or the number of a mask. */
  #labels(masks) {
    const { width, height } = this.canvas;
    const labels = new Uint8Array(width * height);
    for (const { number, rle } of masks) paintRle(labels, width, height, rle, number);
    return labels;
  }
}

function draw(canvas, labels, colours) {
  const context = canvas.getContext("2d");
  const { width: columns, height: rows } = canvas;
  const pixels = context.createImageData(columns, rows);
  const { data } = pixels;
  for (let y = 0, place = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, place++) {
      const label = labels[place];
      const colour = label && colours[label - 1];
      if (!colour) continue;
      const inner = x >= WIDTH && x < columns - WIDTH && y >= WIDTH && y < rows - WIDTH;
      const edge = inner && onEdge(labels, place, columns, label);
      data[4 * place] = colour[0];
      data[4 * place + 1] = colour[1];
      data[4 * place + 2] = colour[2];
      data[4 * place + 3] = edge ? FIRM : TINT;
    }
  }
  context.putImageData(pixels, 0, 0);
}

const onEdge = (labels, place, columns, label) =>
  labels[place - WIDTH] !== label || labels[place + WIDTH] !== label ||
  labels[place - WIDTH * columns] !== label || labels[place + WIDTH * columns] !== label;
