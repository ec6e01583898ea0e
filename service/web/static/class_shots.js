/** The registered shots of a class: photograph, score, what is wrong with it, and ways to change it. */

import { h, keyed, percent } from "./dom.js";
import { icon } from "./icons.js";
import { Overlay } from "./overlay.js";
import { shrink } from "./photo.js";
import { headingOf, scoresOf } from "./report.js";

const SIDE = 112;
const MOST_OPEN = 6;

export class ClassShots {
  /** @param {string} name of the class @param {import("./amending.js").Amending} amending */
  constructor(name, amending) {
    Object.assign(this, { name, amending, overlays: new WeakMap(), pictures: new WeakMap() });
    this.title = h("summary", {});
    this.list = h("ol", {});
    this.element = h("details", { class: "class-shots" }, this.title, this.list);
  }

  /**
   * @param {import("./shown_class.js").ShownClass} shown
   * @param {import("./report.js").Remark[]} remarks
   * @param {(place: number) => {edit: boolean, remove: boolean}} ways to change a shot
   */
  update(shown, remarks, ways) {
    const scores = scoresOf(shown.report);
    const rows = shown.held.map((shot, place) => ({
      place, shot, colour: shown.colour, ...ways(place),
      score: scores.get(place), texts: remarks.filter((each) => each.shot === place).map(({ text }) => text),
    }));
    this.title.textContent = headingOf(shown.report);
    this.element.hidden = !rows.length;
    keyed(this.list, rows, ({ place }) => place, ({ place }) => this.#make(place), (row, each) => this.#update(row, each));
    this.#open(shown, rows);
  }

  /** Anew with each report, so that a person may fold it. */
  #open({ report, shots }, rows) {
    if (this.report === report && this.shots === shots) return;
    this.element.open = shots <= MOST_OPEN || rows.some((each) => each.texts.length > 0);
    Object.assign(this, { report, shots });
  }

  #make(place) {
    const button = (kind, label, symbol, call) =>
      h("button", { type: "button", class: `tool ${kind}`, title: label, "aria-label": `${label} shot ${place + 1}: ${this.name}`, onclick: call }, icon(symbol));
    const able = (change) => () => this.amending.sending.has(this.name) || change();
    return h("li", { class: "class-shot" },
      h("span", { class: "miniature" }, String(place + 1)),
      h("div", { class: "shot-words" }, h("span", { class: "shot-name" }),
        h("span", { class: "shot-score" }, h("meter", { min: 0, max: 1 }), h("span", { class: "number" }))),
      h("div", { class: "shot-tools" },
        button("edit", "Edit", "edit", able(() => this.amending.edit(this.name, place))),
        button("remove", "Remove", "close", able(() => this.amending.remove(this.name, place)))),
      h("ul", { class: "warnings" }));
  }

  #update(row, { place, shot, colour, score, texts, edit, remove }) {
    const name = shot ? `${place + 1}. ${shot.photo.name}` : `Shot ${place + 1}`;
    this.#draw(row, shot, colour);
    Object.assign(row.querySelector(".shot-name"), { textContent: name, title: name });
    row.classList.toggle("flagged", Boolean(score?.flagged) || texts.length > 0);
    row.querySelector(".shot-score").hidden = !score;
    row.querySelector("meter").value = score?.iou ?? 0;
    row.querySelector("meter").setAttribute("aria-label", `${name}, IoU`);
    row.querySelector(".number").textContent = score ? percent(score.iou) : "";
    row.querySelector(".warnings").replaceChildren(...texts.map(warning));
    const sending = String(this.amending.sending.has(this.name));
    for (const [kind, shown] of [["edit", edit], ["remove", remove]]) {
      const button = row.querySelector(`.${kind}`);
      button.hidden = !shown;
      // Not disabled: it would lose the focus.
      button.setAttribute("aria-disabled", sending);
    }
  }

  #draw(row, shot, colour) {
    const place = row.querySelector(".miniature");
    if (this.pictures.get(row) !== shot?.photo) this.#picture(row, place, shot);
    if (shot) this.overlays.get(row).show([{ number: 1, rle: shot.rle }], [colour]);
  }

  #picture(row, place, shot) {
    this.pictures.set(row, shot?.photo);
    if (!shot) return place.replaceChildren();
    const photo = shrink(shot.photo.thumb, SIDE);
    const layer = h("canvas", { class: "layer", width: photo.width, height: photo.height });
    place.replaceChildren(photo, layer);
    this.overlays.set(row, new Overlay(layer));
  }
}

/** A line that asks to be looked at. */
export const warning = (text) => h("li", {}, icon("warn"), h("span", {}, text));
