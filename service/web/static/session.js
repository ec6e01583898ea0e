/** The classes a person has shown, which the service keeps under the id of a session. */

import { colourOf } from "./palette.js";
import { Problem } from "./problem.js";

const ID = "fss.session";
const ARCHIVE = "application/vnd.fss.session+safetensors";
const MOST_FILES = 16;
const WITHOUT_REPORT = new Set(["report_not_found", "class_not_found"]);

/**
 * @typedef {{name: string, shots: number, adapted: boolean, colour: number[], visible: boolean,
 *   notes: string[], report: Object|null}} ShownClass
 * Tells of every change by the event `change`, or by `look` where only what is shown has changed.
 */
export class Session extends EventTarget {
  /** @param {import("./api.js").Api} api */
  constructor(api) {
    super();
    Object.assign(this, { api, id: sessionStorage.getItem(ID), classes: [], used: 0 });
  }

  /** The classes of the session that this tab had, if the service still has it. */
  async restore() {
    if (!this.id) return;
    this.#adopt(await this.ask("GET", `sessions/${this.id}`));
  }

  /** The report cards that no registration of this page has brought; the classes are shown already. */
  async recall() {
    const { id } = this;
    for (const known of this.classes.filter((each) => !each.report)) {
      const report = await this.#reportOf(known.name);
      if (this.id !== id) return;
      if (known.report || !report) continue; // what a registration has brought meanwhile is newer
      known.report = report;
      this.#looked();
    }
  }

  /**
   * The API's answer; if the service has forgotten the session, so does the page.
   * @throws {Problem}
   */
  async ask(method, path, options) {
    const { id } = this;
    try {
      return await this.api.json(method, path, options);
    } catch (problem) {
      if (problem.code !== "session_not_found") throw problem;
      // Other requests of the same session may have noticed before.
      if (this.id === id) this.forget();
      throw new Problem(404, "The session has ended", "It was not used for a while. Register its classes again.");
    }
  }

  /**
   * Registers a class, or shots of one that is there.
   * @param {{photo: import("./photo.js").Photo, png: Blob}[]} shots
   * @param {{adapt?: "auto"|"true"|"false", replace?: boolean}} options
   * @throws {Problem}
   */
  async register(name, shots, { adapt = "auto", replace = false } = {}) {
    if (adapt === "true" && shots.length > MOST_FILES) throw new Problem(0, "Too many images at once", `Fitting takes up to ${MOST_FILES}.`);
    let answer = null;
    for (let from = 0; from < shots.length; from += MOST_FILES) {
      const form = supportForm(name, shots.slice(from, from + MOST_FILES));
      if (this.id) form.append("session_id", this.id);
      form.append("adapt", adapt);
      if (replace && from === 0) form.append("mode", "replace");
      answer = await this.ask("POST", "support", { body: form });
      this.#keep(answer.session_id);
    }
    this.#learn(answer);
  }

  async deleteClass(name) {
    await this.ask("DELETE", `sessions/${this.id}/classes/${encodeURIComponent(name)}`);
    this.classes = this.classes.filter((each) => each.name !== name);
    this.#changed();
  }

  /** @returns {Promise<Blob>} */
  async exportArchive() {
    return (await this.api.request("GET", `sessions/${this.id}/archive`)).blob();
  }

  async importArchive(file) {
    const id = newId();
    const headers = { "Content-Type": ARCHIVE };
    const answer = await this.api.json("PUT", `sessions/${id}/archive`, { body: file, headers });
    this.forget();
    this.#keep(answer.session_id);
    this.#adopt(answer);
  }

  /** Begin anew; the service drops the session by itself when its time is over. */
  forget() {
    sessionStorage.removeItem(ID);
    Object.assign(this, { id: null, classes: [], used: 0 });
    this.#changed();
  }

  show(name, visible) {
    this.find(name).visible = visible;
    this.#looked();
  }

  find(name) {
    return this.classes.find((each) => each.name === name);
  }

  /** The colour that a class has, or would have if it were shown now. */
  colour(name) {
    return this.find(name)?.colour ?? colourOf(this.used);
  }

  async #reportOf(name) {
    try {
      return await this.ask("GET", `sessions/${this.id}/classes/${encodeURIComponent(name)}/report`);
    } catch (problem) {
      if (!WITHOUT_REPORT.has(problem.code)) throw problem;
      return null;
    }
  }

  #keep(id) {
    this.id = id;
    sessionStorage.setItem(ID, id);
  }

  #adopt(answer) {
    this.classes = answer.classes.map((each) => this.#shown(each.class_name, each.shots, each.adapted));
    this.#changed();
  }

  #learn(answer) {
    const { class_name: name, shots, adapted } = answer;
    let known = this.find(name);
    if (!known) this.classes.push((known = this.#shown(name, shots, adapted)));
    const notes = (answer.warnings ?? []).map(String);
    Object.assign(known, { shots, adapted, notes, report: answer.report ?? null });
    this.#changed();
  }

  #shown(name, shots, adapted) {
    return { name, shots, adapted, colour: colourOf(this.used++), visible: true, notes: [], report: null };
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** Nothing that images are asked about has changed. */
  #looked() {
    this.dispatchEvent(new Event("look"));
  }
}

function supportForm(name, shots) {
  const form = new FormData();
  form.append("class_name", name);
  for (const { photo, png } of shots) {
    form.append("images", photo.file, "image");
    form.append("masks", png, "mask.png");
  }
  return form;
}

/** As the service makes them: 24 random bytes that nobody can guess. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
