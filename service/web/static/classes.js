/** The list of classes: colour, shots, show or hide, delete, and what the service says of them. */

import { byId, count, h, keyed } from "./dom.js";
import { icon } from "./icons.js";
import { attempt, tell } from "./notices.js";
import { css } from "./palette.js";
import { reportOf } from "./report.js";

/**
 * @param {import("./session.js").Session} session
 * @param {(name: string) => void} addTo show more shots of a class.
 * @param {(threshold: number) => void} useThreshold
 */
export function showClasses(session, addTo, useThreshold) {
  const list = byId("class-list");
  const render = () => {
    byId("classes").hidden = !session.classes.length;
    keyed(list, session.classes, (each) => each.name, (each) => make(each, session, addTo),
      (element, each) => update(element, each, useThreshold));
  };
  session.addEventListener("change", render);
  session.addEventListener("look", render);
  render();
}

function make({ name }, session, addTo) {
  const button = (label, call, ...content) =>
    h("button", { type: "button", class: "tool", title: label, "aria-label": `${label}: ${name}`, onclick: call }, ...content);
  return h("li", { class: "class" },
    h("span", { class: "swatch" }),
    h("div", { class: "class-name" }, h("strong", {}, name), h("small", {})),
    h("div", { class: "class-tools" },
      button("Add shots", () => addTo(name), icon("add")),
      button("Show or hide", () => session.show(name, !session.find(name).visible), icon("eye")),
      button("Delete", () => remove(session, name), icon("clear"))),
    h("div", { class: "class-report" }));
}

function update(element, each, useThreshold) {
  const [swatch, words, tools, report] = element.children;
  swatch.style.setProperty("background", css(each.colour));
  words.lastChild.textContent = count(each.shots, "shot") + (each.adapted ? ", fitted" : "");
  const eye = tools.children[1];
  eye.setAttribute("aria-pressed", String(each.visible));
  eye.replaceChildren(icon(each.visible ? "eye" : "eyeOff"));
  element.classList.toggle("off", !each.visible);
  report.replaceChildren(...reportOf(each, useThreshold));
}

async function remove(session, name) {
  const done = await attempt(async () => {
    await session.deleteClass(name);
    return true;
  });
  if (done) tell(`${name} was deleted.`);
}
