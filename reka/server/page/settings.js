// What answers, and from which texts: the choices at the top of the page, which all panels share.

import { listDatasets, listModels } from "./api.js";
import { byId, el } from "./elements.js";

const MAX_CHUNKS = 100;

class Settings extends EventTarget {
  /** Names of the datasets, as the server listed them last. */
  datasets = [];

  constructor() {
    super();
    for (const id of ["model", "dataset", "passages"]) {
      byId(id).addEventListener("change", () => this.#changed());
    }
  }

  get model() {
    return byId("model").value;
  }

  /** Name of the dataset; "" for none. */
  get dataset() {
    return byId("dataset").value;
  }

  set dataset(name) {
    byId("dataset").value = name;
    this.#changed();
  }

  /** Number of chunks to retrieve. */
  get chunks() {
    const number = Math.trunc(byId("passages").valueAsNumber) || 1;
    return Math.min(Math.max(number, 1), MAX_CHUNKS);
  }

  /** Read the names of models and datasets from the server. */
  async load() {
    const [models] = await Promise.all([listModels(), this.loadDatasets()]);
    fill(byId("model"), models.map((name) => [name, name]));
    this.#changed();
  }

  /** Read the names of the datasets from the server. */
  async loadDatasets() {
    this.datasets = await listDatasets();
    fill(byId("dataset"), [["", "none"], ...this.datasets.map((name) => [name, name])]);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** Fill a list with options, and keep what is chosen if it is still there. */
function fill(select, options) {
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, label]) => el("option", { value }, label)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

export const settings = new Settings();
