/** A zip of files that are compressed already, so they are only stored. */

import { crc32 } from "./crc.js";

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const UTF8_NAMES = 0x0800;
// The least date a zip can tell, so that the same masks make the same file.
const DATE = 0x0021;

/** @param {{name: string, bytes: Uint8Array}[]} files */
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, bytes } of files) {
    const path = new TextEncoder().encode(name);
    const about = [20, UTF8_NAMES, 0, 0, DATE];
    const sizes = [crc32(bytes), bytes.length, bytes.length];
    const local = record([LOCAL], about, sizes, [path.length, 0]);
    directory.push(record([CENTRAL], [20, ...about], sizes, [path.length, 0, 0, 0, 0], [0, offset]), path);
    parts.push(local, path, bytes);
    offset += local.length + path.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record([END], [0, 0, files.length, files.length], [size, offset], [0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** Numbers in turns of four and two bytes, as the records of a zip happen to have them. */
function record(...groups) {
  const bytes = [];
  groups.forEach((numbers, group) => {
    for (const number of numbers) {
      for (let byte = 0; byte < (group % 2 ? 2 : 4); byte++) bytes.push((number >>> (8 * byte)) & 255);
    }
  });
  return Uint8Array.from(bytes);
}
