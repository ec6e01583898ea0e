/** Step 1: photographs, a mask for each, a name, and off they go. */

import { ask } from "./ask.js";
import { byId, count, h, keyed } from "./dom.js";
import { icon } from "./icons.js";
import { takeFiles } from "./intake.js";
import { attempt, tell } from "./notices.js";
import { addedAlone } from "./obstacles.js";
import { Overlay } from "./overlay.js";
import { readPhoto } from "./photo.js";
import { encodePng } from "./png.js";
import { decodeRle, encodeRle } from "./rle.js";

const CAMERA_WORDS = new Set(["img", "image", "dsc", "dscn", "photo", "picture", "pxl", "screenshot", "support"]);

/**
 * The shots that are not registered yet.
 * @typedef {{key: number, photo: import("./photo.js").Photo, rle: Object|null, sample: boolean}} Shot
 *     a sample is one only until somebody paints on it.
 */
export class Shots {
  /**
   * @param {import("./session.js").Session} session
   * @param {import("./editor.js").Editor} editor
   */
  constructor(session, editor) {
    Object.assign(this, { session, editor, shots: [], keys: 0, busy: false, overlays: new WeakMap() });
    this.name = byId("class-name");
    this.button = byId("register");
    takeFiles(byId("step-1"), byId("shot-files"), (files) => this.add(files));
    this.name.addEventListener("input", () => this.#renamed());
    byId("replace").addEventListener("change", () => this.render());
    byId("register-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#register();
    });
    session.addEventListener("change", () => this.render());
    this.render();
  }

  /** New photographs; the first one opens to be painted. */
  async add(files) {
    const added = [];
    for (const file of files) {
      const photo = await attempt(() => readPhoto(file));
      if (photo) added.push(this.#keep(photo, null));
    }
    this.render();
    if (added.length) await this.#paintAll(added);
  }

  /** Samples in the place of all shots; whether they are: a person may want to keep their own. */
  async fill(name, samples) {
    const own = this.shots.filter((shot) => !shot.sample).length;
    if (own && !(await ask(replacing(own)))) return false;
    this.name.value = name;
    this.shots = [];
    for (const { photo, rle } of samples) this.#keep(photo, rle, true);
    this.#renamed();
    return true;
  }

  /** Whether somebody painted what is not registered. */
  get painted() {
    return this.shots.some(({ rle, sample }) => rle && !sample);
  }

  /** Start on more shots of a class. */
  addTo(name) {
    this.name.value = name;
    this.#renamed();
    byId("shot-files").click();
  }

  #keep(photo, rle, sample = false) {
    const shot = { key: this.keys++, photo, rle, sample };
    this.shots.push(shot);
    return shot;
  }

  /** One after the other, until somebody closes one. */
  async #paintAll(shots) {
    for (const [place, shot] of shots.entries()) {
      const more = place < shots.length - 1;
      const choices = [{ value: "done", label: more ? "Done, next image" : "Done", primary: true }];
      if (!(await this.#paint(shot, choices, shots.length > 1 ? ` ${place + 1} of ${shots.length}` : ""))) return;
    }
    if (!this.#className()) this.#focusName();
  }

  /** Chromium lets nobody type into a field to which a closed dialog gave the focus back. */
  #focusName() {
    this.name.blur();
    this.name.focus();
  }

  async #paint(shot, choices = [{ value: "done", label: "Done", primary: true }], place = "") {
    const { width, height } = shot.photo;
    const result = await attempt(() => this.editor.open({
      title: `Paint ${this.#className() || "the object"}${place}`,
      photo: shot.photo,
      base: shot.rle && decodeRle(shot.rle),
      colour: this.session.colour(this.#className()),
      choices,
    }));
    if (!result) return false;
    const rle = result.bits.includes(1) ? encodeRle(result.bits, width, height) : null;
    if (rle?.counts !== shot.rle?.counts) this.#repaint(shot, rle);
    return true;
  }

  #repaint(shot, rle) {
    Object.assign(shot, { rle, sample: false });
    // Registered meanwhile, but by the mask it had.
    if (!this.shots.includes(shot)) this.shots.push(shot);
    this.render();
  }

  /** Replacing was meant for the class of that name. */
  #renamed() {
    byId("replace").checked = false;
    this.render();
  }

  #className() {
    return this.name.value.trim();
  }

  async #register() {
    if (this.#missing() || this.busy) return;
    const name = this.#className().normalize("NFC");
    const options = { adapt: byId("adapt").value, replace: byId("replace").checked };
    this.busy = true;
    this.render();
    const done = await attempt(async () => this.session.register(
      name, await Promise.all(this.shots.map(upload)), { ...options, sent: (shots) => this.#sent(name, shots) }));
    this.busy = false;
    if (done) this.#registered(name);
    this.render();
  }

  /** What was added, painted or typed meanwhile stays. */
  #sent(name, sent) {
    this.shots = this.shots.filter((shot) => !sent.some(({ photo, rle }) => photo === shot.photo && rle === shot.rle));
    if (this.#isNamed(name)) byId("replace").checked = false;
  }

  #registered(name) {
    if (this.#isNamed(name)) this.name.value = "";
    tell(`${name} is registered.`);
    if (!this.shots.length) byId("step-2").scrollIntoView({ block: "start" });
  }

  #isNamed(name) {
    return this.#className().normalize("NFC") === name;
  }

  /** What there is still to do, in words; empty if there is nothing. */
  #missing() {
    const bare = this.shots.filter((shot) => !shot.rle).length;
    if (!this.shots.length) return "Add an image first.";
    if (bare) return `${count(bare, "image")} still to paint.`;
    return this.#className() ? "" : "Give the class a name.";
  }

  /** Names of classes that are there, and words of the names of the files. */
  #suggestions() {
    const words = this.shots.flatMap(({ photo }) => photo.name.replace(/\.[^.]*$/, "").match(/\p{L}{3,}/gu) ?? []);
    const told = words.map((word) => word.toLowerCase()).filter((word) => !CAMERA_WORDS.has(word));
    return [...new Set([...this.session.classes.map((each) => each.name), ...told])];
  }

  render() {
    const name = this.#className();
    const known = this.session.find(name);
    keyed(byId("shots"), this.shots, (shot) => shot.key, (shot) => this.#card(shot), (card, shot) => this.#update(card, shot));
    byId("step-1").classList.toggle("filled", this.shots.length > 0);
    byId("known-names").replaceChildren(...this.#suggestions().map((value) => h("option", { value })));
    byId("replace-choice").hidden = !known;
    this.button.disabled = this.busy || this.#missing() !== "";
    this.button.classList.toggle("working", this.busy);
    this.button.textContent = this.busy ? "Registering…" : `${known ? "Add to" : "Register"} ${name || "class"}`;
    byId("register-hint").textContent = this.#missing() || `${count(this.shots.length, "shot")} ready. ${this.#joining(known)}`.trim();
  }

  /** What adding does to a class that is there. */
  #joining(known) {
    if (!known?.shots || byId("replace").checked) return "";
    const obstacle = this.session.obstacle([...known.held, ...this.shots]);
    return obstacle ? addedAlone(obstacle, known) : `Registered together with the ${count(known.shots, "shot")} that ${known.name} has.`;
  }

  #card(shot) {
    const { photo } = shot;
    const label = `Paint the mask of ${photo.name}`;
    const layer = h("canvas", { class: "layer", width: photo.thumb.width, height: photo.thumb.height });
    this.overlays.set(shot, new Overlay(layer));
    return h("li", { class: "shot" },
      h("button", { type: "button", class: "picture", title: label, "aria-label": label, onclick: () => this.#paint(shot) },
        copy(photo.thumb), layer, h("span", { class: "badge" })),
      h("button", { type: "button", class: "tool remove", "aria-label": `Remove ${photo.name}`, title: "Remove", onclick: () => this.#remove(shot) }, icon("close")));
  }

  #update(card, shot) {
    const masks = shot.rle ? [{ number: 1, rle: shot.rle }] : [];
    this.overlays.get(shot).show(masks, [this.session.colour(this.#className())]);
    card.querySelector(".badge").textContent = shot.rle ? "Edit mask" : "Paint mask";
    card.classList.toggle("bare", !shot.rle);
  }

  #remove(shot) {
    this.shots = this.shots.filter((each) => each !== shot);
    this.render();
  }
}

const replacing = (own) => ({
  title: "Replace your images?",
  text: `${count(own, "image")} of your own ${own === 1 ? "is" : "are"} not registered yet. The samples would take ${own === 1 ? "its" : "their"} place.`,
  yes: "Use the samples",
  no: "Keep mine",
});

/** The same picture once more; a canvas can be in one place only. */
export function copy(canvas) {
  const other = h("canvas", { width: canvas.width, height: canvas.height, class: "photo" });
  other.getContext("2d").drawImage(canvas, 0, 0);
  return other;
}

/** A shot as it goes up: the file itself, and the mask at its size. */
export async function upload({ photo, rle }) {
  const bits = decodeRle(rle).map((bit) => 255 * bit);
  const png = await encodePng(bits, photo.width, photo.height);
  return { photo, rle, png: new Blob([png], { type: "image/png" }) };
}
