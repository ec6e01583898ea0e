/** Short words at the edge of the page: read out, and gone after a while unless they are trouble. */

import { byId, h } from "./dom.js";
import { icon } from "./icons.js";

const SHOWN_MS = 5000;

/** Says that something has happened. */
export function tell(text) {
  const notice = show("notice", "status", h("p", {}, text));
  setTimeout(() => notice.remove(), SHOWN_MS);
}

/** Says what went wrong, until it is closed. */
export function complain(problem) {
  const words = h("p", {}, h("strong", {}, problem.title ?? "Something went wrong"), h("span", {}, problem.detail ?? "Reload the page."));
  show("notice trouble", "alert", words);
}

/** Runs what may fail; the problem is shown, and null comes back. */
export async function attempt(work) {
  try {
    return await work();
  } catch (problem) {
    complain(problem);
    return null;
  }
}

function show(kind, role, words) {
  const notice = h("div", { class: kind, role }, words);
  const close = h("button", { type: "button", class: "tool", "aria-label": "Close the message", onclick: () => notice.remove() }, icon("close"));
  notice.append(close);
  const list = byId("notices");
  // The same words twice tell nothing new.
  for (const other of [...list.children]) if (other.textContent === notice.textContent) other.remove();
  list.append(notice);
  // Above an open dialog, which covers everything else.
  if (list.showPopover) {
    list.hidePopover();
    list.showPopover();
  }
  return notice;
}
