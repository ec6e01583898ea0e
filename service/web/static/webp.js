/** WebP files without their EXIF block: the service turns a picture by it, browsers do not. */

const RIFF_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;
const EXIF_FLAG = 0x08;

/**
 * The same pixels as a file that everybody shows the same way up; a file of another kind as it is.
 * @param {Blob} file
 * @returns {Promise<Blob>}
 */
export async function withoutExif(file) {
  const start = new Uint8Array(await file.slice(0, RIFF_HEADER_BYTES).arrayBuffer());
  if (word(start, 0) !== "RIFF" || word(start, 8) !== "WEBP") return file;
  const all = [...chunks(new Uint8Array(await file.arrayBuffer()))];
  const kept = all.filter((chunk) => word(chunk, 0) !== "EXIF");
  if (kept.length === all.length) return file;
  for (const chunk of kept) if (word(chunk, 0) === "VP8X") chunk[CHUNK_HEADER_BYTES] &= ~EXIF_FLAG;
  const length = kept.reduce((sum, chunk) => sum + chunk.length, 0);
  new DataView(start.buffer).setUint32(4, RIFF_HEADER_BYTES - CHUNK_HEADER_BYTES + length, true);
  const { name, type, lastModified } = file;
  return new File([start, ...kept], name, { type, lastModified });
}

/** Every chunk with its header and, where its length is odd, the byte that follows it. */
function* chunks(bytes) {
  const view = new DataView(bytes.buffer);
  const end = Math.min(bytes.length, CHUNK_HEADER_BYTES + view.getUint32(4, true));
  for (let at = RIFF_HEADER_BYTES; at + CHUNK_HEADER_BYTES <= end;) {
    const length = view.getUint32(at + 4, true);
    const next = Math.min(end, at + CHUNK_HEADER_BYTES + length + (length % 2));
    yield bytes.subarray(at, next);
    at = next;
  }
}

const word = (bytes, at) => String.fromCharCode(...bytes.subarray(at, at + 4));
