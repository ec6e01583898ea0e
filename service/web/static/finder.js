/** Asks the service for the masks of all images, those on the screen first, and again on change. */

import { Problem } from "./problem.js";
import { decodeRle, isEmpty } from "./rle.js";

const AT_ONCE = 2;

/**
 * An image to find classes in.
 * @typedef {Object} Query
 * @property {import("./photo.js").Photo} photo
 * @property {number} wanted version of what was asked for, `answered` of what is there
 * @property {Object[]} found results of the classes, as the API has them
 * @property {Map<string, Object>} corrected masks by class that a person painted, as COCO RLE
 * @property {Problem|null} problem
 * @property {boolean} whole look at it as a whole only, without close-ups and tiles
 */
export class Finder extends EventTarget {
  /**
   * @param {import("./session.js").Session} session
   * @param {(query: Query) => boolean} onScreen
   */
  constructor(session, onScreen) {
    super();
    Object.assign(this, { session, onScreen, queries: [], threshold: null, keepAbsent: false });
    Object.assign(this, { version: 1, running: 0 });
  }

  add(photo) {
    this.queries.push({ photo, answered: 0, asked: 0, found: [], corrected: new Map(), problem: null, whole: false });
    this.#tell();
    this.#work();
  }

  remove(query) {
    this.queries = this.queries.filter((each) => each !== query);
    this.#tell();
  }

  /** What is there is no longer what was asked for. */
  refresh() {
    this.version++;
    for (const query of this.queries) {
      query.problem = null;
      this.#drop(query);
    }
    this.#tell();
    this.#work();
  }

  /** What was found or painted of classes that are gone: one of the same name may be of something else. */
  #drop(query) {
    query.found = query.found.filter((each) => this.session.find(each.class_name));
    for (const name of [...query.corrected.keys()]) if (!this.session.find(name)) query.corrected.delete(name);
  }

  retry(query, { whole = query.whole } = {}) {
    Object.assign(query, { problem: null, asked: 0, whole });
    this.#tell(query);
    this.#work();
  }

  /** A person knows better; null takes the correction back. */
  correct(query, name, rle) {
    if (rle) query.corrected.set(name, rle);
    else query.corrected.delete(name);
    this.#tell(query);
  }

  /** How many answers are still to come. */
  get open() {
    return this.session.classes.length ? this.queries.filter((query) => this.#stale(query)).length : 0;
  }

  /** The images of which something is known: of the rest, files would say that there is nothing in them. */
  get known() {
    return this.queries.filter((query) => !query.problem || query.corrected.size > 0);
  }

  /** Whether there is an answer to what is asked now. */
  isAnswered(query) {
    return query.answered >= this.version;
  }

  #stale(query) {
    return !this.isAnswered(query) && !query.problem;
  }

  #work() {
    while (this.running < AT_ONCE && this.session.classes.length) {
      const waiting = this.queries.filter((query) => this.#stale(query) && query.asked < this.version && !query.busy);
      const query = waiting.find((each) => this.onScreen(each)) ?? waiting[0];
      if (!query) return;
      this.running++;
      this.#ask(query).finally(() => {
        this.running--;
        this.#work();
      });
    }
  }

  async #ask(query) {
    const { version } = this;
    Object.assign(query, { asked: version, busy: true });
    this.#tell(query);
    try {
      const answer = await this.session.ask("POST", "segment", { body: this.#form(query) });
      Object.assign(query, { found: answer.results[0].classes, answered: version });
    } catch (problem) {
      const told = problem instanceof Problem ? problem : new Problem(0, "Something went wrong", "Reload the page.");
      // One of an earlier question says nothing of what is asked now.
      if (version === this.version) query.problem = told;
    }
    query.busy = false;
    this.#tell(query);
  }

  #form(query) {
    const form = new FormData();
    form.append("session_id", this.session.id);
    form.append("absent", this.keepAbsent ? "keep" : "drop");
    if (query.whole) form.append("mode", "whole");
    if (this.threshold !== null) form.append("threshold", String(this.threshold));
    form.append("images", query.photo.file, "image");
    return form;
  }

  #tell(query = null) {
    this.dispatchEvent(new CustomEvent("change", { detail: query }));
  }
}

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
