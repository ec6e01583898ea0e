/** Step 3: files to take away. */

import { byId, count } from "./dom.js";
import { cocoFile, geojsonFile, labelMapFiles, maskFiles } from "./exports.js";
import { attempt } from "./notices.js";
import { standing } from "./standing.js";
import { zip } from "./zip.js";

const KEPT_MS = 60_000;
const WAYS = {
  "take-coco": ["annotations.json", cocoFile],
  "take-geojson": ["polygons.geojson", geojsonFile],
  "take-labels": ["label_maps.zip", async (...what) => zip(await labelMapFiles(...what))],
  "take-masks": ["masks.zip", async (...what) => zip(await maskFiles(...what))],
};

/** @param {import("./session.js").Session} session @param {import("./finder.js").Finder} finder */
export function offerFiles(session, finder) {
  for (const [id, [name, make]] of Object.entries(WAYS)) {
    byId(id).addEventListener("click", () => attempt(async () => {
      const { known, corrections } = finder;
      save(await make(known, session), name);
      finder.took(corrections);
    }));
  }
  const render = () => {
    const masks = finder.known.reduce((sum, query) => sum + standing(query, session).length, 0);
    // Of images that are being asked, old masks or none would be taken away.
    for (const id of Object.keys(WAYS)) byId(id).disabled = masks === 0 || finder.open > 0;
    byId("step-3").classList.toggle("filled", masks > 0);
    byId("take-status").textContent = status(masks, finder);
  };
  finder.addEventListener("change", render);
  session.addEventListener("change", render);
  render();
}

function status(masks, finder) {
  const { queries, known, open } = finder;
  if (masks && open) return `${count(open, "image")} still to be answered.`;
  const unknown = queries.length - known.length;
  const missing = unknown ? `${count(unknown, "image")} without an answer` : "";
  if (!masks) return missing ? `${missing}.` : "Masks will be here once something is found.";
  return `${count(masks, "mask")} on ${count(known.length, "image")}${missing && `; ${missing} left out`}`;
}

/** Hands a file to the browser's downloads. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
