// The page: asks the server what it is and has, asks for a key where one is wanted, and makes the panels work.

import * as api from "./api.js";
import { startChat } from "./chat.js";
import { showCode, startCode } from "./code.js";
import { showDatasets, startDatasets } from "./datasets.js";
import { byId, showMessage } from "./elements.js";
import { askForKey } from "./key_dialog.js";
import { startSearch } from "./search.js";
import { settings } from "./settings.js";
import { makeTabs } from "./tabs.js";

const PANELS = ["chat", "search", "datasets"];

/** Read what this key can see; ask for another key as long as the server knows it not. */
async function connect() {
  try {
    await settings.load();
    if (!byId("datasets").hidden) await showDatasets();
    showMessage(byId("trouble"), null);
  } catch (error) {
    showMessage(byId("trouble"), error.message);
    if (error.status === 401 && (await askForKey(error.message))) await connect();
  }
}

async function start() {
  const choose = makeTabs(document.querySelector('main > [role="tablist"]'), (tab) => {
    const chosen = tab.getAttribute("aria-controls");
    for (const id of PANELS) byId(id).hidden = id !== chosen;
    if (chosen === "datasets") showDatasets();
  });
  startChat(showCode);
  startCode();
  startSearch();
  settings.addEventListener("change", showCode);
  byId("change-key").addEventListener("click", async () => {
    if (await askForKey("Another key opens other datasets.")) await connect();
  });
  choose(byId("tab-chat"));
  try {
    const info = await api.serverInfo();
    byId("version").textContent = info.version;
    showMessage(byId("note"), info.note);
    for (const element of document.querySelectorAll("[data-feature]")) {
      element.hidden = !info.features.includes(element.dataset.feature);
    }
    startDatasets(info.features);
  } catch (error) {
    showMessage(byId("trouble"), error.message);
    return;
  }
  await connect();
}

start();
