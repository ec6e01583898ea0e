/** Masks as files: COCO JSON, GeoJSON, label maps, and a mask for each class. */

import { outlines } from "./outlines.js";
import { encodePng } from "./png.js";
import { encodeRle, measure } from "./rle.js";
import { labelMap, standing } from "./standing.js";

const json = (value) => new Blob([JSON.stringify(value)], { type: "application/json" });

/** One file for all images, as pycocotools reads it. @returns {Blob} */
export function cocoFile(queries, session) {
  const images = [];
  const annotations = [];
  queries.forEach((query, place) => {
    const { name, width, height } = query.photo;
    images.push({ id: place + 1, file_name: name, width, height });
    for (const { number, bits, score } of layers(query, session)) {
      annotations.push({
        id: annotations.length + 1,
        image_id: place + 1,
        category_id: number,
        segmentation: encodeRle(bits, width, height),
        ...measure(bits, width, height),
        iscrowd: 0,
        ...(score === null ? {} : { score }),
      });
    }
  });
  const categories = session.classes.map(({ name }, place) => ({ id: place + 1, name, supercategory: "" }));
  return json({ info: { description: "Few-shot segmentation" }, licenses: [], images, annotations, categories });
}

/** Polygons with holes in pixels of the images, whose origin is the upper left. @returns {Blob} */
export function geojsonFile(queries, session) {
  const features = queries.flatMap((query) => {
    const { name: image, width, height } = query.photo;
    return layers(query, session).map(({ name, bits, score }) => ({
      type: "Feature",
      geometry: { type: "MultiPolygon", coordinates: outlines(bits, width, height) },
      properties: { image, image_width: width, image_height: height, class: name, score },
    }));
  });
  return json({ type: "FeatureCollection", features });
}

/** @returns {Promise<{name: string, bytes: Uint8Array}[]>} an index PNG for each image, and its key. */
export async function labelMapFiles(queries, session) {
  const palette = [[0, 0, 0], ...session.classes.map((each) => each.colour)];
  const files = [];
  const stem = stems(queries);
  for (const query of queries) {
    const { width, height } = query.photo;
    const bytes = await encodePng(labelMap(query, session), width, height, palette);
    files.push({ name: `${stem.get(query)}.png`, bytes });
  }
  const lines = ["0 background", ...session.classes.map(({ name }, place) => `${place + 1} ${name}`)];
  return [...files, { name: "classes.txt", bytes: new TextEncoder().encode(`${lines.join("\n")}\n`) }];
}

/** @returns {Promise<{name: string, bytes: Uint8Array}[]>} a black and white PNG for each mask. */
export async function maskFiles(queries, session) {
  const files = [];
  const stem = stems(queries);
  for (const query of queries) {
    const { width, height } = query.photo;
    for (const { name, number, bits } of layers(query, session)) {
      const bytes = await encodePng(bits.map((bit) => 255 * bit), width, height);
      files.push({ name: `${stem.get(query)}.${number}-${safe(name)}.png`, bytes });
    }
  }
  return files;
}

/** The classes of an image whose masks have pixels; no pixel is in two. */
function layers(query, session) {
  const labels = labelMap(query, session);
  return standing(query, session).flatMap(({ name, score }) => {
    const number = session.classes.findIndex((each) => each.name === name) + 1;
    const bits = labels.map((label) => Number(label === number));
    return bits.includes(1) ? [{ name, number, bits, score }] : [];
  });
}

/**
 * The images' names without their endings, numbered where one is taken already: also to a file
 * system that does not tell apart cases, or ways to write an accent.
 * @returns {Map<import("./finder.js").Query, string>}
 */
function stems(queries) {
  const taken = new Set();
  return new Map(queries.map((query) => {
    const bare = safe(query.photo.name.replace(/\.[^.]*$/, "")) || "image";
    let name = bare;
    for (let number = 2; taken.has(folded(name)); number++) name = `${bare}_${number}`;
    taken.add(folded(name));
    return [query, name];
  }));
}

const folded = (name) => name.normalize("NFC").toLowerCase();

/** A name that every file system takes, and that leads nowhere else. */
const safe = (name) => name.replace(/[^\p{L}\p{N}._ -]/gu, "_").replace(/^\.+/, "_").slice(0, 80);
