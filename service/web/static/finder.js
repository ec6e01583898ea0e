/** Asks the service for the masks of all images, those on the screen first, and again on change. */

import { Problem } from "./problem.js";

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
    Object.assign(this, { version: 1, running: 0, taken: new WeakSet() });
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

  /** The images whose request failed by what may be over by now, such as a lost connection. */
  get failed() {
    return this.queries.filter(({ problem }) => problem?.passing);
  }

  retryAll() {
    for (const query of this.failed) Object.assign(query, { problem: null, asked: 0 });
    this.#tell();
    this.#work();
  }

  /** A person knows better; null takes the correction back. */
  correct(query, name, rle) {
    if (rle) query.corrected.set(name, rle);
    else query.corrected.delete(name);
    this.#tell(query);
  }

  /** The masks that a person painted. */
  get corrections() {
    return this.queries.flatMap(({ corrected }) => [...corrected.values()]);
  }

  /** These are in a file. */
  took(corrections) {
    for (const rle of corrections) this.taken.add(rle);
  }

  /** Whether a person painted what is in no file. */
  get untaken() {
    return this.corrections.some((rle) => !this.taken.has(rle));
  }

  /** Whether there is a class that the service can look for. */
  get asking() {
    return this.session.classes.some(({ kept }) => kept);
  }

  /** How many answers are still to come. */
  get open() {
    return this.asking ? this.queries.filter((query) => this.#stale(query)).length : 0;
  }

  /** The images of which something is known: of the rest, files would say that there is nothing in them. */
  get known() {
    const { asking } = this;
    return this.queries.filter(({ problem, answered, corrected }) => corrected.size > 0 || (!problem && (asking || answered > 0)));
  }

  /** Whether there is an answer to what is asked now. */
  isAnswered(query) {
    return query.answered >= this.version;
  }

  #stale(query) {
    return !this.isAnswered(query) && !query.problem;
  }

  #work() {
    while (this.running < AT_ONCE && this.asking) {
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
      Object.assign(query, { found: this.#withLost(answer.results[0].classes, query), answered: version });
    } catch (problem) {
      const told = problem instanceof Problem ? problem : new Problem(0, "Something went wrong", "Reload the page.");
      // One of an earlier question says nothing of what is asked now.
      if (version === this.version) query.problem = told;
    }
    query.busy = false;
    this.#tell(query);
  }

  /** An answer, and what was found before of classes that the service has no more. */
  #withLost(found, query) {
    const lost = new Set(this.session.lost.map(({ name }) => name));
    for (const { class_name: name } of found) lost.delete(name);
    return [...found, ...query.found.filter((each) => lost.has(each.class_name))];
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
