/** A mask as a base and the list of what a person did to it, drawn at any scale. */

/**
 * @typedef {{kind: "stroke", erase: boolean, radius: number, points: number[][]}
 *   | {kind: "polygon", erase: boolean, points: number[][]}
 *   | {kind: "fill", point: number[]} | {kind: "invert"} | {kind: "clear"}} Action
 * Coordinates and radii are pixels of the photograph, so that what is painted on a small copy is
 * exact at full size.
 */

const OPAQUE = 128;

/** Draws one action. */
export function draw(context, action, scale, colour) {
  const { width, height } = context.canvas;
  context.fillStyle = context.strokeStyle = colour;
  context.globalCompositeOperation = action.erase ? "destination-out" : "source-over";
  if (action.kind === "stroke") stroke(context, action, scale);
  else if (action.kind === "polygon") polygon(context, action.points, scale);
  else if (action.kind === "fill") fill(context, action.point, scale, colour);
  else if (action.kind === "clear") context.clearRect(0, 0, width, height);
  else if (action.kind === "invert") {
    context.globalCompositeOperation = "xor";
    context.fillRect(0, 0, width, height);
  }
  context.globalCompositeOperation = "source-over";
}

function stroke(context, { points, radius }, scale) {
  const [[x, y]] = points;
  // Canvases leave out lines of no length, round ends and all.
  context.beginPath();
  context.arc(x * scale, y * scale, radius * scale, 0, 2 * Math.PI);
  context.fill();
  context.lineWidth = 2 * radius * scale;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  for (const point of points) context.lineTo(point[0] * scale, point[1] * scale);
  context.stroke();
}

function polygon(context, points, scale) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x * scale, y * scale);
  context.fill();
}

/** Fills the area around a point that is not marked, up to what is. */
function fill(context, [x, y], scale, colour) {
  const { width, height } = context.canvas;
  const pixels = context.getImageData(0, 0, width, height);
  const inside = flood(pixels.data, width, height, Math.floor(x * scale), Math.floor(y * scale));
  const cover = new OffscreenCanvas(width, height).getContext("2d");
  const painted = cover.createImageData(width, height);
  for (let place = 0; place < inside.length; place++) if (inside[place]) painted.data[4 * place + 3] = 255;
  cover.putImageData(painted, 0, 0);
  cover.globalCompositeOperation = "source-in";
  cover.fillStyle = colour;
  cover.fillRect(0, 0, width, height);
  context.drawImage(cover.canvas, 0, 0);
}

function flood(data, width, height, startX, startY) {
  const inside = new Uint8Array(width * height);
  const open = (place) => !inside[place] && data[4 * place + 3] < OPAQUE;
  const waiting = [startY * width + startX];
  while (waiting.length) {
    const place = waiting.pop();
    if (!open(place)) continue;
    const row = Math.floor(place / width) * width;
    let [left, right] = [place, place];
    while (left > row && open(left - 1)) left--;
    while (right < row + width - 1 && open(right + 1)) right++;
    for (let pixel = left; pixel <= right; pixel++) {
      inside[pixel] = 1;
      if (pixel >= width && open(pixel - width)) waiting.push(pixel - width);
      if (pixel < width * (height - 1) && open(pixel + width)) waiting.push(pixel + width);
    }
  }
  return inside;
}

/** Draws a mask (row by row, of the photograph's size) over the whole of a canvas. */
export function drawBits(context, bits, width, height, [red, green, blue]) {
  const { width: columns, height: rows } = context.canvas;
  const pixels = context.createImageData(columns, rows);
  for (let y = 0, place = 0; y < rows; y++) {
    const row = Math.floor(((y + 0.5) * height) / rows) * width;
    for (let x = 0; x < columns; x++, place += 4) {
      if (!bits[row + Math.floor(((x + 0.5) * width) / columns)]) continue;
      pixels.data.set([red, green, blue, 255], place);
    }
  }
  context.putImageData(pixels, 0, 0);
}

/** The mask at the photograph's own size, row by row. */
export function rasterise(base, actions, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (base) drawBits(context, base, width, height, [0, 0, 0]);
  for (const action of actions) draw(context, action, 1, "#000");
  const { data } = context.getImageData(0, 0, width, height);
  const bits = new Uint8Array(width * height);
  for (let place = 0; place < bits.length; place++) bits[place] = data[4 * place + 3] >= OPAQUE ? 1 : 0;
  return bits;
}
