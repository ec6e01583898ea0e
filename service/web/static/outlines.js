/** Outlines of a mask along the edges of its pixels, holes included. */

/**
 * Polygons as GeoJSON has them: each a list of closed rings, the outer one first.
 *
 * Edges are walked with the mask on the right. Where two pixels touch by a corner alone, the walk
 * turns right, so they are two parts.
 * @param {Uint8Array} bits row by row.
 * @returns {number[][][][]}
 */
export function outlines(bits, width, height) {
  const rings = trace(bits, width, height);
  const outer = rings.filter((ring) => ring.area > 0).sort((one, other) => one.area - other.area);
  const polygons = new Map(outer.map((ring) => [ring, [ring.points]]));
  for (const hole of rings.filter((ring) => ring.area < 0)) {
    const around = outer.find((ring) => ring.area > -hole.area && contains(ring.points, hole.pixel));
    if (around) polygons.get(around).push(hole.points);
  }
  return [...polygons.values()];
}

// East, south, west, north; the pixel that lies to the right of an edge, and the one to the left.
const STEP = [[1, 0], [0, 1], [-1, 0], [0, -1]];
const RIGHT = [[0, 0], [-1, 0], [-1, -1], [0, -1]];
const LEFT = [[0, -1], [0, 0], [-1, 0], [-1, -1]];

function trace(bits, width, height) {
  const at = (x, y) => x >= 0 && y >= 0 && x < width && y < height && bits[y * width + x] === 1;
  const seen = new Uint8Array(width * height);
  const rings = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      // Every ring has an edge to the east along the top of a pixel.
      if (at(x, y) && !at(x, y - 1) && !seen[y * width + x]) rings.push(walk(at, seen, width, x, y));
    }
  }
  return rings;
}

function walk(at, seen, width, startX, startY) {
  const points = [];
  let [x, y, way, area] = [startX, startY, 0, 0];
  do {
    if (way === 0) seen[y * width + x] = 1;
    const [nextX, nextY] = [x + STEP[way][0], y + STEP[way][1]];
    area += x * nextY - nextX * y;
    [x, y] = [nextX, nextY];
    const turned = turn(at, x, y, way);
    if (turned !== way) points.push([x, y]);
    way = turned;
  } while (x !== startX || y !== startY || way !== 0);
  points.push(points[0]);
  return { points, area: area / 2, pixel: [startX, startY] };
}

function turn(at, x, y, way) {
  for (const next of [(way + 1) % 4, way, (way + 3) % 4]) {
    const [right, left] = [RIGHT[next], LEFT[next]];
    if (at(x + right[0], y + right[1]) && !at(x + left[0], y + left[1])) return next;
  }
  throw new Error("an outline has no end");
}

/** Whether the middle of a pixel lies in a ring. */
function contains(ring, [pixelX, pixelY]) {
  const [x, y] = [pixelX + 0.5, pixelY + 0.5];
  let inside = false;
  for (let place = 1; place < ring.length; place++) {
    const [[x0, y0], [x1, y1]] = [ring[place - 1], ring[place]];
    // Edges run along rows and columns: those across this row have one x.
    if (y0 > y !== y1 > y && x < x0 && x0 === x1) inside = !inside;
  }
  return inside;
}
