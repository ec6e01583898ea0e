/** A question to be answered before something is lost. */

import { h } from "./dom.js";

/**
 * @param {{title: string, text: string, yes: string, no: string}} question
 * @returns {Promise<boolean>} false also where the question is closed without an answer.
 */
export function ask({ title, text, yes, no }) {
  const button = (kind, value, label) => h("button", { type: "button", class: kind, value, onclick: () => dialog.close(value) }, label);
  const dialog = h("dialog", { class: "question", "aria-label": title },
    h("h2", {}, title), h("p", {}, text),
    h("div", { class: "actions" }, button("button", "no", no), button("button primary", "yes", yes)));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
