/** Why a class cannot be registered again with all its shots, and what comes of it, in words. */

import { count } from "./dom.js";

const WHY = {
  photographs: "the photographs are not in this tab, as after a reload or from the file of a session",
  room: "all its shots together are more than one request carries",
};

/** Beside the shots of a class. */
export function unchangeable(obstacle, { adapted }) {
  return `Its shots cannot be corrected here: ${WHY[obstacle]}. ${adapted ? "Shots that are added leave the fit as it is." : ""}`.trim();
}

/** Beside the button that adds shots to a class. */
export function addedAlone(obstacle, { adapted }) {
  return `${adapted ? "The fit stays as it is" : "It is not fitted to all shots"}: ${WHY[obstacle]}.`;
}

/** Beside the shots of a class whose session has ended. */
export const leftOut = ({ gone }) => (gone ? `${count(gone, "shot")} cannot be registered again: ${WHY.photographs}.` : "");
