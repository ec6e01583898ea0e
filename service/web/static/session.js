/** The classes a person has shown, which the service keeps under the id of a session. */

import { newId, RequestKeys } from "./ids.js";
import { colourOf } from "./palette.js";
import { Problem } from "./problem.js";
import { nextRequest, supportForm, told } from "./registering.js";
import { Room } from "./room.js";
import { learn, lose, shownClass } from "./shown_class.js";

const ID = "fss.session";
const ARCHIVE = "application/vnd.fss.session+safetensors";
const WITHOUT_REPORT = new Set(["report_not_found", "class_not_found"]);

/** Tells of every change by the event `change`, or by `look` where only what is shown has changed. */
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

  /** The classes that the service has no more. */
  get lost() {
    return this.classes.filter(({ kept }) => !kept);
  }

  /**
   * The API's answer; if the service has forgotten the session, its classes count as lost.
   * @throws {Problem}
   */
  async ask(method, path, options) {
    return this.#noticing(() => this.api.json(method, path, options));
  }

  async #noticing(request) {
    const { id } = this;
    try {
      return await request();
    } catch (problem) {
      if (problem.code !== "session_not_found") throw problem;
      // Other requests of the same session may have noticed before.
      if (this.id === id) this.#end();
      throw new Problem(404, "The session has ended", "It was not used for a while, or the service was started again. Register its classes again.");
    }
  }

  /** What was painted is now in this tab alone, so it stays. */
  #end() {
    this.#leave();
    for (const known of this.classes) if (known.kept) lose(known);
    this.#changed();
  }

  #leave() {
    sessionStorage.removeItem(ID);
    Object.assign(this, { id: null, keys: new RequestKeys(), turn: Promise.resolve() });
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
    return this.#inTurn(async () => {
      const known = this.find(name);
      // What is added joins the shots of the class, which gets them back first.
      if (known && !known.kept && !replace && !(await this.#revive(known))) return false;
      return this.#register(name, shots, { adapt, replace, sent });
    });
  }

  /**
   * Registers a class again that ended with its session, by the shots whose photographs are here.
   * @returns {Promise<boolean>} false: there is nothing to register again.
   * @throws {Problem}
   */
  async revive(known) {
    return this.#inTurn(() => this.lost.includes(known) && known.held.length > 0 && this.#revive(known));
  }

  /** All of it, or it counts as lost: another try sends all again. */
  async #revive(known) {
    const before = { ...known };
    try {
      return await this.#register(known.name, known.held, { adapt: known.adapt, replace: true, sent: () => {} });
    } catch (problem) {
      Object.assign(known, before);
      this.#changed();
      throw problem;
    }
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
    // New with each session, while the id comes only with the first class.
    const { keys } = this;
    const turn = this.turn.then(() => (this.keys === keys ? change() : false));
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
      if (this.find(name)?.kept) await this.ask("DELETE", `sessions/${this.id}/classes/${encodeURIComponent(name)}`);
      this.#outdate(name);
      this.classes = this.classes.filter((each) => each.name !== name);
      this.#changed();
      return true;
    });
  }

  /** @returns {Promise<Blob>} */
  async exportArchive() {
    return (await this.#noticing(() => this.api.request("GET", `sessions/${this.id}/archive`))).blob();
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
    this.#leave();
    Object.assign(this, { classes: [], used: 0 });
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

  #learn(answer, request, adapt) {
    const { class_name: name, adapted } = answer;
    if (!this.find(name)) this.classes.push(this.#shown(name, 0, adapted));
    learn(this.find(name), answer, request, adapt);
    this.#changed();
  }

  #shown(name, shots, adapted) {
    return shownClass(name, shots, adapted, colourOf(this.used++));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** Nothing that images are asked about has changed. */
  #looked() {
    this.dispatchEvent(new Event("look"));
  }
}
