// The current request as code, to copy.

import { currentRequest } from "./chat.js";
import { byId, el } from "./elements.js";
import { PROGRAMS } from "./snippets.js";
import { makeTabs } from "./tabs.js";

let program = Object.keys(PROGRAMS)[0];

/** Show the current request. */
export function showCode() {
  byId("code").textContent = PROGRAMS[program](currentRequest());
  byId("copied").textContent = "";
}

/** Make the panel work. */
export function startCode() {
  const tablist = byId("languages");
  const tabs = Object.keys(PROGRAMS).map((name, at) => {
    const tab = el("button", { type: "button", role: "tab", id: `language-${at}`, "aria-controls": "code" }, name);
    tablist.append(tab);
    return tab;
  });
  const choose = makeTabs(tablist, (tab) => {
    program = tab.textContent;
    byId("code").setAttribute("aria-labelledby", tab.id);
    showCode();
  });
  choose(tabs[0]);
  byId("copy").addEventListener("click", async () => {
    byId("copied").textContent = (await copy()) ? "Copied." : "The code is selected: copy it with Ctrl+C.";
  });
}

/** Copy the code; where the browser does not let a page do that, select it. */
async function copy() {
  try {
    await navigator.clipboard.writeText(byId("code").textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(byId("code"));
    byId("code").focus();
    return false;
  }
}
