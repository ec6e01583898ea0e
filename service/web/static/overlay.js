/** Masks over a photograph: tinted, with a firm outline. */

const TINT = 120;
const FIRM = 255;
const WIDTH = 2;

/**
 * @param {HTMLCanvasElement} canvas the masks are drawn on; its size stays.
 * @param {Uint8Array} labels of the photograph, row by row; 0 is nothing.
 * @param {(number[]|null)[]} colours of labels from 1; null where a class is hidden.
 */
export function drawLabels(canvas, labels, width, height, colours) {
  const context = canvas.getContext("2d");
  const { width: columns, height: rows } = canvas;
  const small = sampled(labels, width, height, columns, rows);
  const pixels = context.createImageData(columns, rows);
  for (let y = 0, place = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, place++) {
      const label = small[place];
      const colour = label && colours[label - 1];
      if (!colour) continue;
      const inner = x >= WIDTH && x < columns - WIDTH && y >= WIDTH && y < rows - WIDTH;
      const edge = inner && onEdge(small, place, columns, label);
      pixels.data.set(colour, 4 * place);
      pixels.data[4 * place + 3] = edge ? FIRM : TINT;
    }
  }
  context.putImageData(pixels, 0, 0);
}

function sampled(labels, width, height, columns, rows) {
  const small = new Uint8Array(columns * rows);
  const across = Uint32Array.from({ length: columns }, (_, x) => Math.floor(((x + 0.5) * width) / columns));
  for (let y = 0, place = 0; y < rows; y++) {
    const row = Math.floor(((y + 0.5) * height) / rows) * width;
    for (let x = 0; x < columns; x++) small[place++] = labels[row + across[x]];
  }
  return small;
}

const onEdge = (labels, place, columns, label) =>
  labels[place - WIDTH] !== label || labels[place + WIDTH] !== label ||
  labels[place - WIDTH * columns] !== label || labels[place + WIDTH * columns] !== label;
