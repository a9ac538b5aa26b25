// Tabs as the ARIA practices have them: one of them in the focus order, arrow keys between them.

/**
 * Make the buttons of a tablist choose what is shown.
 * @param {HTMLElement} tablist
 * @param {(tab: HTMLElement) => void} onChoice Called with the tab that was chosen.
 * @returns {(tab: HTMLElement) => void} Chooses a tab.
 */
export function makeTabs(tablist, onChoice) {
  const tabs = () => [...tablist.querySelectorAll('[role="tab"]:not([hidden])')];

  function choose(chosen) {
    for (const tab of tabs()) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
    }
    onChoice(chosen);
  }

  tablist.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) choose(tab);
  });
  tablist.addEventListener("keydown", (event) => {
    const all = tabs();
    const at = all.indexOf(event.target);
    const places = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 };
    if (at === -1 || !(event.key in places)) return;
    event.preventDefault();
    const tab = all.at(places[event.key] % all.length);
    choose(tab);
    tab.focus();
  });
  return choose;
}
