/** Corrects and removes shots that are registered: their class is registered again with the others. */

import { ask } from "./ask.js";
import { count } from "./dom.js";
import { attempt, complain, tell } from "./notices.js";
import { decodeRle, encodeRle, isEmpty } from "./rle.js";
import { upload } from "./shots.js";

const EMPTY = { title: "Nothing is painted", detail: "If the object is not in this image, remove the shot." };

/** Tells by the event `change` that a class begins or ends to be registered again. */
export class Amending extends EventTarget {
  /** @param {import("./session.js").Session} session @param {import("./editor.js").Editor} editor */
  constructor(session, editor) {
    super();
    // What was painted outlives a registration that failed.
    Object.assign(this, { session, editor, sending: new Set(), drafts: new WeakMap() });
  }

  /** Whether somebody painted what is not registered. */
  get painted() {
    return this.session.classes.some(({ held }) => held.some((shot) => this.drafts.has(shot)));
  }

  /** Paint the mask of a shot anew. */
  async edit(name, place) {
    const shot = this.session.find(name).held[place];
    const { photo } = shot;
    const result = await attempt(() => this.editor.open({
      title: `Correct shot ${place + 1} of ${name}`,
      photo,
      base: decodeRle(this.drafts.get(shot) ?? shot.rle),
      colour: this.session.colour(name),
      choices: [{ value: "register", label: "Register again", primary: true }],
    }));
    if (!result) return;
    const rle = encodeRle(result.bits, photo.width, photo.height);
    if (isEmpty(rle)) return complain(EMPTY);
    if (rle.counts === shot.rle.counts) return;
    this.drafts.set(shot, rle);
    await this.#send(name, async () => {
      const corrected = await upload({ photo, rle });
      return (held) => held.map((each) => (each === shot ? corrected : each));
    });
  }

  async remove(name, place) {
    const { held } = this.session.find(name);
    const shot = held[place];
    const text = `${shot.photo.name} counts no more; ${name} is registered again with the other ${count(held.length - 1, "shot")}.`;
    if (!(await ask({ title: `Remove shot ${place + 1} of ${name}?`, text, yes: "Remove it", no: "Keep it" }))) return;
    await this.#send(name, async () => (shots) => shots.filter((each) => each !== shot));
  }

  async #send(name, prepare) {
    this.#mark(name, true);
    const done = await attempt(async () => this.session.amend(name, await prepare()));
    this.#mark(name, false);
    if (done) tell(`${name} is registered again.`);
  }

  #mark(name, sending) {
    if (sending) this.sending.add(name);
    else this.sending.delete(name);
    this.dispatchEvent(new Event("change"));
  }
}
