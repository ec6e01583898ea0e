/** COCO's compressed run lengths: columns first, background first, five bits a character. */

/** Run lengths of `counts`. */
export function decodeCounts(text) {
  const runs = [];
  let place = 0;
  while (place < text.length) {
    let value = 0;
    let shift = 0;
    let more = true;
    while (more) {
      const code = text.charCodeAt(place++) - 48;
      value += (code & 31) * 2 ** shift;
      more = (code & 32) !== 0;
      shift += 5;
      if (!more && code & 16) value -= 2 ** shift;
    }
    // From the third on, each is the difference from the one before the last.
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}

/** `counts` of run lengths. */
export function encodeCounts(runs) {
  let text = "";
  runs.forEach((run, place) => {
    let value = place > 2 ? run - runs[place - 2] : run;
    let more = true;
    while (more) {
      let code = value & 31;
      value >>= 5;
      more = code & 16 ? value !== -1 : value !== 0;
      if (more) code |= 32;
      text += String.fromCharCode(code + 48);
    }
  });
  return text;
}

/** Whether a mask has no pixel. */
export const isEmpty = ({ counts }) => decodeCounts(counts).every((run, number) => number % 2 === 0 || run === 0);

/** A mask, row by row, of `{size: [height, width], counts}`. */
export function decodeRle({ size: [height, width], counts }) {
  const bits = new Uint8Array(height * width);
  let [x, y] = [0, 0];
  decodeCounts(counts).forEach((run, number) => {
    // A run may go on over several columns.
    while (run > 0) {
      const end = Math.min(height, y + run);
      if (number % 2) for (let row = y; row < end; row++) bits[row * width + x] = 1;
      run -= end - y;
      y = end === height ? 0 : end;
      if (y === 0) x++;
    }
  });
  return bits;
}

/**
 * Paints a mask over the whole of a picture that may be smaller, each pixel by the one in its
 * middle; the mask itself is never spread out.
 * @param {Uint8Array} pixels row by row.
 * @param {number} value of pixels that are in the mask.
 */
export function paintRle(pixels, columns, rows, { size: [height, width], counts }, value) {
  const column = new Int32Array(width).fill(-1);
  for (let x = 0; x < columns; x++) column[middle(x, width, columns)] = x;
  const from = rowsFrom(height, rows);
  let place = 0;
  decodeCounts(counts).forEach((run, number) => {
    const end = place + run;
    while (number % 2 && place < end) {
      const x = Math.floor(place / height);
      const last = Math.min(height, end - x * height);
      if (column[x] >= 0) {
        for (let y = from[place - x * height]; y < from[last]; y++) pixels[y * columns + column[x]] = value;
      }
      place = x * height + last;
    }
    place = end;
  });
}

const middle = (place, whole, parts) => Math.floor(((place + 0.5) * whole) / parts);

/** For every row of a photograph, and the one behind: the first row of a picture of it from there on. */
function rowsFrom(height, rows) {
  const from = new Uint32Array(height + 1);
  for (let y = 0, row = 0; y <= height; y++) {
    while (row < rows && middle(row, height, rows) < y) row++;
    from[y] = row;
  }
  return from;
}

/** `{size, counts}` of a mask that is there row by row. */
export function encodeRle(bits, width, height) {
  const runs = [];
  let current = 0;
  let run = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      if (bits[y * width + x] !== current) {
        runs.push(run);
        current = 1 - current;
        run = 0;
      }
      run++;
    }
  }
  runs.push(run);
  return { size: [height, width], counts: encodeCounts(runs) };
}

/** `{area, bbox: [x, y, width, height]}` of a mask; null where it is empty. */
export function measure(bits, width, height) {
  let [area, left, top, right, bottom] = [0, width, height, -1, -1];
  for (let y = 0, place = 0; y < height; y++) {
    for (let x = 0; x < width; x++, place++) {
      if (!bits[place]) continue;
      area++;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  return area ? { area, bbox: [left, top, right - left + 1, bottom - top + 1] } : null;
}
