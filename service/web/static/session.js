/** The classes a person has shown, which the service keeps under the id of a session. */

import { newId, RequestKeys } from "./ids.js";
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
    Object.assign(this, { api, id: sessionStorage.getItem(ID), classes: [], used: 0, keys: new RequestKeys() });
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
   * @param {{photo: import("./photo.js").Photo, rle: Object, png: Blob}[]} shots
   * @param {{adapt?: "auto"|"true"|"false", replace?: boolean, sent?: (shots: Object[]) => void}}
   *     options `sent` is told of the shots that are registered, also where others will not be.
   * @returns {Promise<boolean>} false: the page has turned to another session meanwhile.
   * @throws {Problem}
   */
  async register(name, shots, { adapt = "auto", replace = false, sent = () => {} } = {}) {
    if (adapt === "true" && shots.length > MOST_FILES) throw new Problem(0, "Too many images at once", `Fitting takes up to ${MOST_FILES}.`);
    for (const { fields, some } of this.#requests(name, shots, adapt, replace)) {
      const { id } = this;
      const answer = await this.#teach(fields, some, adapt);
      if (this.id !== id) return false;
      if (fields.mode === "replace") this.keys = new RequestKeys();
      this.#keep(answer.session_id);
      sent(some);
      this.#learn(answer);
    }
    return true;
  }

  /**
   * The requests of a registration, one by one. Those whose answers were lost come first and as
   * they were, whatever shots have been added since: otherwise the service would not know them again.
   */
  *#requests(name, shots, adapt, replace) {
    let rest = shots;
    for (const asked of this.keys.open) {
      const { class_name, mode, session_id } = asked.fields;
      const same = class_name === name && asked.adapt === adapt && (mode === "replace") === replace;
      const some = same && (session_id ?? null) === this.id && among(rest, asked.files);
      if (!some) continue;
      rest = rest.filter((shot) => !some.includes(shot));
      yield { fields: asked.fields, some };
    }
    for (let from = 0; from < rest.length; from += MOST_FILES) {
      const first = from === 0 && rest.length === shots.length;
      const fields = { class_name: name, adapt: first ? this.#fit(name, adapt, replace) : "false" };
      fields.mode = first && replace ? "replace" : "append";
      if (this.id) fields.session_id = this.id;
      yield { fields, some: rest.slice(from, from + MOST_FILES) };
    }
  }

  /** A fit to all the shots of a class is better than one to those that are added. */
  #fit(name, adapt, replace) {
    return adapt === "auto" && !replace && this.find(name)?.adapted ? "false" : adapt;
  }

  async #teach(fields, shots, adapt) {
    return this.keys.once({ fields, adapt, files: shots.map(told) }, (key) =>
      this.ask("POST", "support", { body: supportForm(fields, shots), headers: { "Idempotency-Key": key } }));
  }

  async deleteClass(name) {
    await this.ask("DELETE", `sessions/${this.id}/classes/${encodeURIComponent(name)}`);
    this.keys = new RequestKeys(); // what was registered before is no repetition any more
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

  /** Begin again; the service drops the session by itself when its time is over. */
  forget() {
    sessionStorage.removeItem(ID);
    Object.assign(this, { id: null, classes: [], used: 0, keys: new RequestKeys() });
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

/** Equal for shots of which the same would be sent. */
const told = ({ photo: { name, file }, rle }) => JSON.stringify([name, file.size, file.lastModified, rle]);

/** The shots of some files, in their order; null where one of them is missing. */
function among(shots, files) {
  const left = [...shots];
  const found = files.map((file) => {
    const place = left.findIndex((shot) => told(shot) === file);
    return place < 0 ? null : left.splice(place, 1)[0];
  });
  return found.includes(null) ? null : found;
}

function supportForm(fields, shots) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  for (const { photo, png } of shots) {
    form.append("images", photo.file, "image");
    form.append("masks", png, "mask.png");
  }
  return form;
}
