// Asks for the API key.

import { storeKey } from "./api.js";
import { byId } from "./elements.js";

/**
 * Ask for a key and store it for this tab.
 * @param {string} why What to say first.
 * @returns {Promise<boolean>} Whether one was typed.
 */
export function askForKey(why) {
  const dialog = byId("key-dialog");
  const field = byId("key");
  byId("key-why").textContent = why;
  field.value = "";
  return new Promise((resolve) => {
    let isGiven = false;
    byId("key-form").onsubmit = (event) => {
      event.preventDefault();
      storeKey(field.value.trim());
      field.value = "";
      isGiven = true;
      dialog.close();
    };
    byId("key-cancel").onclick = () => dialog.close();
    dialog.onclose = () => resolve(isGiven);
    if (!dialog.open) dialog.showModal();
  });
}
