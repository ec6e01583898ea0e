/** Step 2: every image with its masks, and what may be done with them. */

import { byId, count, h, keyed, percent } from "./dom.js";
import { icon } from "./icons.js";
import { attempt, complain, tell } from "./notices.js";
import { addedAlone } from "./obstacles.js";
import { Overlay } from "./overlay.js";
import { css } from "./palette.js";
import { decodeRle, encodeRle, isEmpty } from "./rle.js";
import { copy, upload } from "./shots.js";
import { stacked, standing } from "./standing.js";

const EMPTY = { title: "Nothing is painted", detail: "A shot needs the object; the correction is kept." };

export class Cards {
  /**
   * @param {import("./session.js").Session} session
   * @param {import("./finder.js").Finder} finder
   * @param {import("./editor.js").Editor} editor
   */
  constructor(session, finder, editor) {
    Object.assign(this, { session, finder, editor, elements: new WeakMap(), overlays: new WeakMap() });
    Object.assign(this, { sending: new Set(), undrawn: new Set(), drawing: 0 });
    finder.addEventListener("change", ({ detail }) => this.render(detail));
    session.addEventListener("change", () => finder.refresh());
    session.addEventListener("look", () => this.render());
    byId("retry-all").addEventListener("click", () => finder.retryAll());
    this.render();
  }

  /** @param {import("./finder.js").Query|null} changed none: everything may have. */
  render(changed = null) {
    const { queries } = this.finder;
    const update = (card, query) => {
      if (changed && changed !== query) return;
      this.#update(card, query);
      this.undrawn.add(query);
    };
    keyed(byId("queries"), queries, (query) => query, (query) => this.#make(query), update);
    byId("step-2").classList.toggle("filled", queries.length > 0);
    byId("find-tools").hidden = !queries.length || !this.session.classes.length;
    byId("find-status").textContent = this.#status();
    this.#offerRetry();
    this.#draw();
  }

  /** What is on the screen now, and the rest one by one, so that the page goes on reacting. */
  #draw() {
    const ready = [...this.undrawn].filter((query) => this.finder.onScreen(query));
    for (const query of ready) this.#drawOne(query);
    if (!this.undrawn.size || this.drawing) return;
    this.drawing = setTimeout(() => {
      this.drawing = 0;
      const [next] = this.undrawn;
      if (next) this.#drawOne(next);
      this.#draw();
    });
  }

  #drawOne(query) {
    this.undrawn.delete(query);
    const colours = this.session.classes.map((each) => (each.visible ? each.colour : null));
    this.overlays.get(query).show(stacked(query, this.session), colours);
  }

  /** Of one image, its card does. */
  #offerRetry() {
    const { length } = this.finder.failed;
    byId("retry-all").hidden = length < 2;
    byId("retry-all").textContent = `Try ${count(length, "image")} again`;
  }

  #status() {
    const { queries, open, asking } = this.finder;
    if (!queries.length) return "";
    if (!this.session.classes.length) return `${count(queries.length, "image")} waiting for a class: register one in step 1.`;
    if (!asking) return `${count(queries.length, "image")}; the session has ended.`;
    return open ? `${queries.length - open} of ${queries.length}…` : count(queries.length, "image");
  }

  #make(query) {
    const { photo } = query;
    const card = h("li", { class: "card" },
      h("button", { type: "button", class: "picture", "aria-label": `Open ${photo.name}`, onclick: () => this.#open(query) },
        copy(photo.thumb), h("canvas", { class: "layer", width: photo.thumb.width, height: photo.thumb.height }), h("span", { class: "progress" })),
      h("div", { class: "caption" }, h("span", { class: "file", title: photo.name }, photo.name),
        h("button", { type: "button", class: "tool", "aria-label": `Remove ${photo.name}`, title: "Remove", onclick: () => this.finder.remove(query) }, icon("close"))),
      h("p", { class: "card-note" }, "Looked at as a whole only: small objects may be missed."),
      h("ul", { class: "finds" }),
      h("div", { class: "card-problem", role: "alert" }));
    this.elements.set(query, card);
    this.overlays.set(query, new Overlay(card.querySelector(".layer")));
    return card;
  }

  #update(card, query) {
    const { session } = this;
    card.classList.toggle("busy", Boolean(query.busy));
    card.setAttribute("aria-busy", String(Boolean(query.busy)));
    const rows = session.classes.map((each) => this.#row(query, each));
    // Nothing is known before the first answer, and a list of "not found" would be a lie.
    const seen = query.answered > 0 || query.corrected.size > 0;
    const list = card.querySelector(".finds");
    keyed(list, seen ? rows : [], (row) => row.name, (row) => this.#find(query, row.name), updateFind);
    card.querySelector(".card-note").hidden = !query.whole;
    this.#problem(card.querySelector(".card-problem"), query);
  }

  #row(query, known) {
    const { name, colour, visible } = known;
    const mask = standing(query, this.session).find((each) => each.name === name);
    const found = query.found.find((each) => each.class_name === name);
    const sending = [...this.sending].some((each) => each.query === query && each.name === name);
    const corrected = query.corrected.has(name);
    const adding = mask ? this.#adding(known, { photo: query.photo }) : "";
    return { name, colour, visible, mask, sending, corrected, adding, score: corrected ? byHand(mask) : this.#score(query, known, mask, found) };
  }

  /** What adding a shot does, where that is less than one may think. */
  #adding(known, shot) {
    const obstacle = this.session.obstacle([...known.held, shot]);
    return obstacle ? `Add as a shot. ${addedAlone(obstacle, known)}` : "Add as a shot";
  }

  #score(query, { kept }, mask, found) {
    if (mask) return `score ${percent(mask.score)}, presence ${percent(mask.presence)}`;
    if (!kept) return "not known";
    if (!this.finder.isAnswered(query)) return query.problem ? "not known" : "…";
    return found?.present ? "nothing above the threshold" : "not here";
  }

  #find(query, name) {
    const button = (kind, label, symbol, call, ...words) =>
      h("button", { type: "button", class: `tool ${kind}`, title: label, "aria-label": `${label}: ${name}`, onclick: call }, icon(symbol), ...words);
    return h("li", { class: "find" },
      h("span", { class: "swatch" }),
      h("div", { class: "find-words" }, h("span", { class: "find-name", title: name }, name), h("small", { class: "find-score" })),
      button("accept", "Add as a shot", "add", () => this.#accept(query, name), "Shot"),
      button("edit", "Correct the mask", "edit", () => this.#edit(query, name)),
      button("reset", "Take the correction back", "undo", () => this.finder.correct(query, name, null)));
  }

  #problem(place, query) {
    if (!query.problem) return place.replaceChildren();
    const again = (label, how) => h("button", { type: "button", class: "button small", onclick: () => this.finder.retry(query, how) }, label);
    // Close-ups and tiles are what takes long of a large image.
    const slow = query.problem.code === "deadline_exceeded" && !query.whole;
    place.replaceChildren(h("p", {}, h("strong", {}, query.problem.title), ` ${query.problem.detail}`),
      again("Try again"), ...(slow ? [again("Look at it as a whole only", { whole: true })] : []));
  }

  #open(query) {
    const [best] = standing(query, this.session);
    const name = best?.name ?? this.session.classes[0]?.name;
    if (name) return this.#edit(query, name);
    tell("Register a class in step 1 first.");
    return null;
  }

  async #accept(query, name) {
    const mask = standing(query, this.session).find((each) => each.name === name);
    await this.#register(query, name, mask.rle);
  }

  async #edit(query, name) {
    const mask = standing(query, this.session).find((each) => each.name === name);
    const { photo } = query;
    const result = await attempt(() => this.editor.open({
      title: `Correct ${name}`,
      photo,
      base: mask ? decodeRle(mask.rle) : null,
      colour: this.session.colour(name),
      choices: [{ value: "keep", label: "Keep" }, { value: "shot", label: "Add as a shot", primary: true }],
    }));
    if (!result) return;
    const rle = encodeRle(result.bits, photo.width, photo.height);
    this.finder.correct(query, name, rle);
    if (result.choice !== "shot") return;
    if (isEmpty(rle)) complain(EMPTY);
    else await this.#register(query, name, rle);
  }

  async #register(query, name, rle) {
    const shot = { query, name };
    this.sending.add(shot);
    this.render(query);
    const done = await attempt(async () => this.session.register(name, [await upload({ photo: query.photo, rle })], { adapt: null }));
    this.sending.delete(shot);
    this.render(query);
    if (done) tell(`${name} has ${count(this.session.find(name).shots, "shot")} now.`);
  }
}

const byHand = (mask) => (mask ? "by hand" : "not here (by hand)");

function updateFind(element, { name, colour, visible, mask, sending, corrected, adding, score }) {
  element.querySelector(".swatch").style.setProperty("background", css(colour));
  element.classList.toggle("off", !mask || !visible);
  element.classList.toggle("corrected", corrected);
  const accept = element.querySelector(".accept");
  Object.assign(accept, { hidden: !mask, disabled: sending, title: adding });
  accept.setAttribute("aria-label", `${adding}: ${name}`);
  element.querySelector(".find-score").textContent = score;
}
