/** The list of classes: colour, shots, show or hide, delete, and what the service says of them. */

import { ask } from "./ask.js";
import { ClassShots, warning } from "./class_shots.js";
import { byId, count, h, keyed } from "./dom.js";
import { icon } from "./icons.js";
import { attempt, tell } from "./notices.js";
import { leftOut, unchangeable } from "./obstacles.js";
import { css } from "./palette.js";
import { remarksOf, suggestionOf, thresholdOf } from "./report.js";

/**
 * @param {import("./session.js").Session} session
 * @param {import("./amending.js").Amending} amending
 * @param {(name: string) => void} addTo show more shots of a class.
 */
export function showClasses(session, amending, addTo) {
  const list = byId("class-list");
  const shots = new WeakMap();
  const make = ({ name }) => {
    const own = new ClassShots(name, amending);
    const element = classItem(name, own.element, session, addTo);
    shots.set(element, own);
    return element;
  };
  const render = () => {
    byId("classes").hidden = !session.classes.length;
    keyed(list, session.classes, (each) => each.name, make, (element, each) => {
      updateHead(element, each, amending.sending.has(each.name));
      updateReport(element.querySelector(".class-report"), shots.get(element), each, session);
    });
  };
  session.addEventListener("change", render);
  session.addEventListener("look", render);
  amending.addEventListener("change", render);
  render();
}

function classItem(name, shots, session, addTo) {
  const button = (label, call, ...content) =>
    h("button", { type: "button", class: "tool", title: label, "aria-label": `${label}: ${name}`, onclick: call }, ...content);
  return h("li", { class: "class" },
    h("span", { class: "swatch" }),
    h("div", { class: "class-name" }, h("strong", {}, name), h("small", {})),
    h("div", { class: "class-tools" },
      button("Add shots", () => addTo(name), icon("add")),
      button("Show or hide", () => session.show(name, !session.find(name).visible), icon("eye")),
      button("Delete", () => remove(session, name), icon("clear"))),
    h("div", { class: "class-report" }, shots, h("div", { class: "class-remarks" })));
}

function updateHead(element, each, sending) {
  const [swatch, words, tools] = element.children;
  swatch.style.setProperty("background", css(each.colour));
  words.lastChild.textContent = count(each.shots, "shot") + (each.adapted ? ", fitted" : "") + state(each, sending);
  const eye = tools.children[1];
  eye.setAttribute("aria-pressed", String(each.visible));
  eye.replaceChildren(icon(each.visible ? "eye" : "eyeOff"));
  element.classList.toggle("off", !each.visible);
  element.setAttribute("aria-busy", String(sending));
}

function state({ kept }, sending) {
  if (sending) return "; registering again…";
  return kept ? "" : "; not registered";
}

function updateReport(place, shots, each, session) {
  const remarks = remarksOf(each);
  const obstacle = session.obstacle(each.held);
  shots.update(each, remarks, (shot) => ({
    edit: !obstacle,
    remove: each.held.length > 1 && !session.obstacle(each.held.filter((_, other) => other !== shot)),
  }));
  const common = remarks.filter(({ shot }) => shot === null);
  const lines = [suggestionOf(each.report), thresholdOf(each.report), obstacle && unchangeable(obstacle, each), leftOut(each)];
  place.lastChild.replaceChildren(
    ...(common.length ? [h("ul", { class: "warnings" }, ...common.map(({ text }) => warning(text)))] : []),
    ...lines.filter(Boolean).map((text) => h("p", {}, text)));
}

async function remove(session, name) {
  const { shots } = session.find(name);
  const text = `Its ${count(shots, "shot")} and the masks found or painted of it are dropped. That cannot be taken back.`;
  if (!(await ask({ title: `Delete ${name}?`, text, yes: "Delete it", no: "Keep it" }))) return;
  if (await attempt(() => session.deleteClass(name))) tell(`${name} was deleted.`);
}
