/** Photographs that come with the service, so that there is something to try it on. */

import { readPhoto } from "./photo.js";
import { encodeRle } from "./rle.js";

const PLACE = new URL("samples/", import.meta.url);
export const SAMPLE_CLASS = "pit";
const SHOTS = ["support_pit_1", "support_pit_2", "support_pit_3"];
const QUERIES = ["query_5_steel", "query_6_brass", "query_7_iron", "query_8_both", "query_9_clean"];

/** @returns {Promise<{photo: import("./photo.js").Photo, rle: Object}[]>} shots with their masks. */
export async function sampleShots() {
  return Promise.all(SHOTS.map(async (name) => {
    const [photo, mask] = await Promise.all([photograph(name), blob(`${name}.${SAMPLE_CLASS}.png`)]);
    return { photo, rle: await readMask(mask) };
  }));
}

/** @returns {Promise<import("./photo.js").Photo[]>} */
export const sampleQueries = () => Promise.all(QUERIES.map(photograph));

const photograph = async (name) => readPhoto(await blob(`${name}.jpg`), `${name}.jpg`);

async function blob(name) {
  const answer = await fetch(new URL(name, PLACE));
  if (!answer.ok) throw new Error(`the sample ${name} is not there`);
  return answer.blob();
}

async function readMask(file) {
  const bitmap = await createImageBitmap(file);
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const bits = Uint8Array.from({ length: width * height }, (_, place) => Number(data[4 * place] > 127));
  return encodeRle(bits, width, height);
}
