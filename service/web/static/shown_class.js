/** What the page knows of a class that a person has shown. */

import { withAdded } from "./registering.js";
import { notesOf } from "./report.js";

/**
 * @typedef {Object} ShownClass
 * @property {string} name
 * @property {number} shots
 * @property {boolean} adapted
 * @property {number[]} colour
 * @property {boolean} visible
 * @property {(import("./registering.js").UploadShot|null)[]} held its shots in order; null: the
 *     photograph is not in this tab
 * @property {"auto"|"true"|"false"} adapt how it was to be fitted
 * @property {import("./report.js").Remark[]} notes of the last registration
 * @property {Object|null} report
 * @property {boolean} kept whether the service has it; after the end of a session it has not
 * @property {number} gone shots that ended with a session, since their photographs are not in this tab
 */

/** @returns {ShownClass} as the service lists it: of its shots there is but the number. */
export function shownClass(name, shots, adapted, colour) {
  const held = Array(shots).fill(null);
  return { name, shots, adapted, colour, visible: true, held, adapt: "auto", notes: [], report: null, kept: true, gone: 0 };
}

/**
 * Brings a class up to date after a registration.
 * @param {ShownClass} known
 * @param {Object} answer as the API has it.
 * @param {import("./registering.js").SupportRequest} request
 * @param {"auto"|"true"|"false"|null} adapt how it was asked to be fitted.
 */
export function learn(known, answer, { fields, some }, adapt) {
  const { shots, adapted } = answer;
  const anew = fields.mode === "replace" || !known.shots;
  const held = withAdded(anew ? [] : known.held, some, shots);
  if (anew && adapt) known.adapt = adapt;
  const notes = notesOf(answer, shots - some.length);
  Object.assign(known, { shots, adapted, held, notes, report: answer.report ?? null, kept: true, gone: 0 });
}

/** What is left of a class once its session has ended: the shots whose photographs are here. */
export function lose(known) {
  const held = known.held.filter(Boolean);
  const gone = known.held.length - held.length;
  // The report counts those that are gone.
  if (gone) Object.assign(known, { notes: [], report: null });
  Object.assign(known, { kept: false, held, shots: held.length, gone });
}
