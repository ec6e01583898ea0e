/** A photograph that a person chose: the file goes up the way it is shown, small copies are shown. */

import { Problem } from "./problem.js";
import { withoutExif } from "./webp.js";

const THUMB_SIDE = 720;
export const CANVAS_SIDE = 2048;

/**
 * A file, its displayed size (after its EXIF orientation, which a WebP has lost here) and a small
 * picture of it.
 * @typedef {{file: Blob, name: string, width: number, height: number, thumb: HTMLCanvasElement}} Photo
 */

/** @returns {Promise<Photo>} @throws {Problem} the browser cannot read the file. */
export async function readPhoto(chosen, name = chosen.name) {
  // What cannot be read cannot be decoded either, and that is told.
  const file = await withoutExif(chosen).catch(() => chosen);
  const bitmap = await decode(file, name);
  const { width, height } = bitmap;
  const thumb = shrink(bitmap, THUMB_SIDE);
  bitmap.close();
  return { file, name, width, height, thumb };
}

/** A larger copy, for painting on. */
export async function enlarge(photo) {
  const bitmap = await decode(photo.file, photo.name);
  const canvas = shrink(bitmap, CANVAS_SIDE);
  bitmap.close();
  return canvas;
}

async function decode(file, name) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Problem(0, `${name} cannot be shown`, "This browser cannot read the file as an image. Use JPEG, PNG or WebP.");
  }
}

/** A picture as a canvas, no longer than `side` on any side. */
export function shrink(bitmap, side) {
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}
