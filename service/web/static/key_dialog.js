/** Asks for an API key, where the service wants one; it stays in this tab alone. */

import { byId } from "./dom.js";

// What a header may hold; other characters come from the program a key was copied from.
const KEY = /^[\x21-\x7e]+$/;
const UNKNOWN = "The service does not know that key.";
const IMPOSSIBLE = "That is no key: it holds a space, or a character that is in no key. Type it, or copy it again.";

/** @returns {Promise<string|null>} null: they have none. */
export function askForKey(refused) {
  const dialog = byId("key-dialog");
  const field = byId("key-field");
  complain(refused ? UNKNOWN : "");
  field.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve((dialog.returnValue === "use" && field.value.trim()) || null);
    byId("key-cancel").onclick = () => dialog.close("");
    // The form goes nowhere: the policy of the page forbids it.
    byId("key-form").onsubmit = (event) => {
      event.preventDefault();
      if (KEY.test(field.value.trim())) dialog.close("use");
      else complain(IMPOSSIBLE);
    };
    dialog.oncancel = () => { dialog.returnValue = ""; };
  });
}

function complain(words) {
  Object.assign(byId("key-refused"), { textContent: words, hidden: !words });
}
