/** The classes a person has shown, which the service keeps under the id of a session. */

import { newId, RequestKeys } from "./ids.js";
import { colourOf } from "./palette.js";
import { Problem } from "./problem.js";
import { nextRequest, supportForm, told, withAdded } from "./registering.js";
import { notesOf } from "./report.js";
import { Room } from "./room.js";

const ID = "fss.session";
const ARCHIVE = "application/vnd.fss.session+safetensors";
const WITHOUT_REPORT = new Set(["report_not_found", "class_not_found"]);

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
 *
 * Tells of every change by the event `change`, or by `look` where only what is shown has changed.
 */
export class Session extends EventTarget {
  /** @param {import("./api.js").Api} api */
  constructor(api) {
    super();
    Object.assign(this, { api, id: sessionStorage.getItem(ID), classes: [], used: 0, keys: new RequestKeys() });
    Object.assign(this, { room: new Room(), turn: Promise.resolve() });
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
   * Registers a class, or shots of one that is there; together with those it has, where it can be.
   * @param {import("./registering.js").UploadShot[]} shots
   * @param {{adapt?: "auto"|"true"|"false"|null, replace?: boolean, sent?: (shots: Object[]) => void}}
   *     options `adapt` null: as the class was fitted, or not at all. `sent` is told of the shots
   *     that are registered, also where others will not be.
   * @returns {Promise<boolean>} false: the page has turned to another session meanwhile.
   * @throws {Problem}
   */
  async register(name, shots, { adapt = "auto", replace = false, sent = () => {} } = {}) {
    const { files } = this.room;
    if (adapt === "true" && shots.length > files) throw new Problem(0, "Too many images at once", `Fitting takes up to ${files}.`);
    return this.#inTurn(() => this.#register(name, shots, { adapt, replace, sent }));
  }

  /**
   * Registers a class again with other shots; by one request, so that it has all or stays as it was.
   * @param {(shots: import("./registering.js").UploadShot[]) => import("./registering.js").UploadShot[]}
   *     change of the shots it has by then.
   * @returns {Promise<boolean>} false: there is no such class any more.
   * @throws {Problem}
   */
  async amend(name, change) {
    return this.#inTurn(async () => {
      const known = this.find(name);
      const shots = known && change(known.held);
      if (!shots || this.obstacle(shots)) return false;
      return this.#register(name, shots, { adapt: known.adapt, replace: true, sent: () => {} });
    });
  }

  /**
   * Why a class cannot be registered by these shots at once.
   * @param {(import("./registering.js").UploadShot|null)[]} shots some of which it has, perhaps.
   * @returns {""|"photographs"|"room"} empty: it can.
   */
  obstacle(shots) {
    if (shots.includes(null)) return "photographs";
    return this.room.holds(shots) ? "" : "room";
  }

  /** One change after the other: each sends again what the one before has left. */
  #inTurn(change) {
    const { id } = this;
    const turn = this.turn.then(() => (this.id === id ? change() : false));
    this.turn = turn.catch(() => {});
    return turn;
  }

  async #register(name, shots, { adapt, replace, sent }) {
    let rest = shots;
    while (rest.length) {
      const { id } = this;
      const request = nextRequest(this, name, rest, { adapt, replace, begun: rest !== shots });
      const answer = await this.#teach(request, adapt);
      if (this.id !== id) return false;
      if (!answer) continue; // the next one is smaller
      if (request.fields.mode === "replace") this.#outdate(name);
      this.#keep(answer.session_id);
      rest = rest.filter((shot) => !request.some.includes(shot));
      sent(request.some);
      this.#learn(answer, request, adapt);
    }
    return true;
  }

  /** @returns {Promise<Object|null>} null: together with the shots of the class they are too much. */
  async #teach(request, adapt) {
    const { fields, some, joined } = request;
    try {
      return await this.keys.once({ fields, adapt, files: some.map(told) }, (key) =>
        this.ask("POST", "support", { body: supportForm(request), headers: { "Idempotency-Key": key } }));
    } catch (problem) {
      this.room.refused(some, problem);
      if (joined && problem.status === 413) return null;
      throw problem;
    }
  }

  /** @returns {Promise<boolean>} false: the page has turned to another session meanwhile. */
  async deleteClass(name) {
    return this.#inTurn(async () => {
      await this.ask("DELETE", `sessions/${this.id}/classes/${encodeURIComponent(name)}`);
      this.#outdate(name);
      this.classes = this.classes.filter((each) => each.name !== name);
      this.#changed();
      return true;
    });
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
    Object.assign(this, { id: null, classes: [], used: 0, keys: new RequestKeys(), turn: Promise.resolve() });
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

  /** What was sent of a class before is no repetition any more. */
  #outdate(name) {
    this.keys.drop(({ fields }) => fields.class_name === name);
  }

  #learn(answer, { fields, some }, adapt) {
    const { class_name: name, shots, adapted } = answer;
    let known = this.find(name);
    if (!known) this.classes.push((known = this.#shown(name, 0, adapted)));
    const anew = fields.mode === "replace" || !known.shots;
    const held = withAdded(anew ? [] : known.held, some, shots);
    if (anew && adapt) known.adapt = adapt;
    const notes = notesOf(answer, shots - some.length);
    Object.assign(known, { shots, adapted, held, notes, report: answer.report ?? null });
    this.#changed();
  }

  #shown(name, shots, adapted) {
    const held = Array(shots).fill(null);
    return { name, shots, adapted, held, adapt: "auto", colour: colourOf(this.used++), visible: true, notes: [], report: null };
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** Nothing that images are asked about has changed. */
  #looked() {
    this.dispatchEvent(new Event("look"));
  }
}
