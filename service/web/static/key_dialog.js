/** Asks for an API key, where the service wants one; it stays in this tab alone. */

import { byId } from "./dom.js";

/** @returns {Promise<string|null>} null: they have none. */
export function askForKey(refused) {
  const dialog = byId("key-dialog");
  const field = byId("key-field");
  byId("key-refused").hidden = !refused;
  field.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve((dialog.returnValue === "use" && field.value.trim()) || null);
    byId("key-cancel").onclick = () => dialog.close("");
    // The form goes nowhere: the policy of the page forbids it.
    byId("key-form").onsubmit = (event) => {
      event.preventDefault();
      dialog.close("use");
    };
    dialog.oncancel = () => { dialog.returnValue = ""; };
  });
}
