/** The masks of an image: what was found, and what a person painted. */

import { decodeRle, isEmpty } from "./rle.js";

/**
 * The masks of an image as they stand: what was found and is there, and what a person painted. By
 * one that is painted and empty they say that there is nothing.
 * @returns {{name: string, rle: Object, score: number|null, presence: number|null}[]} in the
 *     session's order.
 */
export function standing(query, session) {
  return session.classes.flatMap(({ name }) => {
    const found = query.found.find((each) => each.class_name === name);
    const corrected = query.corrected.get(name);
    if (corrected) return isEmpty(corrected) ? [] : [{ name, rle: corrected, score: null, presence: null }];
    if (!found?.area) return [];
    return [{ name, rle: found.mask, score: found.score, presence: found.presence }];
  });
}

/**
 * The masks as they lie on one another, those that were painted on top.
 * @returns {{number: number, rle: Object}[]} numbers of classes of the session, from 1.
 */
export function stacked(query, session) {
  const painted = ({ name }) => Number(query.corrected.has(name));
  return standing(query, session)
    .sort((one, other) => painted(one) - painted(other))
    .map(({ name, rle }) => ({ number: session.classes.findIndex((each) => each.name === name) + 1, rle }));
}

/**
 * What every pixel is: 0, or the number of a class of the session from 1.
 * @returns {Uint8Array} row by row.
 */
export function labelMap(query, session) {
  const { width, height } = query.photo;
  const labels = new Uint8Array(width * height);
  for (const { number, rle } of stacked(query, session)) {
    const bits = decodeRle(rle);
    for (let place = 0; place < bits.length; place++) if (bits[place]) labels[place] = number;
  }
  return labels;
}
