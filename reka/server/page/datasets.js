// Datasets: upload, preparing watched live, the list.

import * as api from "./api.js";
import { openDocuments } from "./documents.js";
import { byId, count, el, size } from "./elements.js";
import { settings } from "./settings.js";

/** Milliseconds between two looks at a job. */
const POLL = 500;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A line that tells how some work goes on: a bar and a text, which a screen reader hears when the step changes. */
class Work {
  constructor(parent, name) {
    this.bar = el("progress", { max: 1, "aria-label": name });
    this.line = el("p", { role: "status" });
    this.detail = el("p", { class: "help" });
    parent.replaceChildren(this.bar, this.line, this.detail);
  }

  step(text, share = null, detail = "") {
    if (this.line.textContent !== text) this.line.textContent = text;
    this.detail.textContent = detail;
    if (share === null) this.bar.removeAttribute("value");
    else this.bar.value = share;
  }

  end(text, isError = false) {
    this.bar.remove();
    this.detail.textContent = "";
    this.line.className = isError ? "error" : "";
    this.line.textContent = text;
  }
}

const STEPS = { PENDING: "Waiting in the queue.", RUNNING: "Preparing." };

/** Watch a job to its end. */
async function watch(job, name, work) {
  for (;;) {
    const { job_status: status, detail, history = [] } = await api.jobStatus(job);
    if (status === "ERROR") throw new Error(`Preparing ${name} failed: ${detail}`);
    if (!(status in STEPS)) return detail;
    work.step(STEPS[status], history.at(-1)?.progress ?? null, detail);
    await pause(POLL);
  }
}

/** Prepare a dataset, and watch the job that does, also one that runs already. */
async function prepare(name, work) {
  work.step("Asking for it to be prepared.");
  try {
    return await watch(await api.prepareDataset(name), name, work);
  } catch (error) {
    if (error.code === "already_prepared") return "It is prepared";
    const job = error.code === "being_prepared" && /by job (\w+)/.exec(error.message)?.[1];
    if (!job) throw error;
    return watch(job, name, work);
  }
}

/** Do some work, and show how it goes on and ends; tell whether it ended well. */
async function showing(work, action) {
  try {
    work.end(await action(work));
    return true;
  } catch (error) {
    work.end(error.message, true);
    return false;
  }
}

async function uploadAndPrepare(form, work, signal) {
  const onProgress = (sent, total) => {
    const text = sent < total ? "Uploading." : "Uploaded. The server checks the file.";
    work.step(text, sent / total, `${size(sent)} of ${size(total)}`);
  };
  work.step("Uploading.", 0);
  const { name, info } = await api.uploadDataset(form, onProgress, signal);
  byId("upload").reset();
  byId("cancel-upload").disabled = true;
  await showDatasets();
  const detail = await prepare(name, work);
  settings.dataset = name;
  await showDatasets();
  return `${info}. ${detail}. It is chosen for chats and searches.`.replaceAll("..", ".");
}

function startUpload() {
  const submit = byId("upload").querySelector('[type="submit"]');
  const cancel = byId("cancel-upload");
  let running = null;
  byId("file").addEventListener("change", () => {
    const [file] = byId("file").files;
    if (file && !byId("name").value) byId("name").value = file.name.replace(/\.[^.]*$/, "");
  });
  byId("upload").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = new FormData();
    form.append("dataset_name", byId("name").value.trim());
    const description = byId("description").value.trim();
    if (description) form.append("dataset_description", description);
    form.append("file", byId("file").files[0]);
    running = new AbortController();
    submit.disabled = true;
    cancel.disabled = false;
    const work = new Work(byId("upload-work"), "Upload and preparing");
    await showing(work, () => uploadAndPrepare(form, work, running.signal));
    submit.disabled = false;
    cancel.disabled = true;
  });
  cancel.addEventListener("click", () => running?.abort());
}

const STATES = {
  stored: "not prepared",
  preparing: "being prepared",
  prepared: "prepared",
  failed: "could not be prepared",
};

let features = [];
let turns = 0;

/** What the list says of a dataset; nothing on a server that does not describe datasets. */
async function stateOf(name) {
  if (!features.includes("documents")) return null;
  try {
    return await api.describeDataset(name);
  } catch {
    return null; // deleted meanwhile
  }
}

async function datasetCard(name) {
  const info = await stateOf(name);
  const card = el("li", {});
  const place = el("div", {});
  const amounts = info ? [count(info.documents, "document"), count(info.chunks, "chunk"), size(info.size_bytes)] : [];
  const facts = info ? [STATES[info.state] ?? info.state, ...amounts] : [];
  const button = (label, onclick, className = null) =>
    el("button", { type: "button", class: className, "aria-label": `${label} ${name}`, onclick }, label);
  const use = button("Use", () => (settings.dataset = name));
  use.dataset.uses = name;
  const buttons = [use];
  if (info) buttons.push(button("Documents", () => openDocuments(name)));
  if (info?.state !== "prepared") {
    buttons.push(button(info?.state === "preparing" ? "Watch" : "Prepare", () => prepareAgain(name, card, place)));
  }
  buttons.push(button("Delete", () => remove(name, place), "danger"));
  const title = el("strong", { class: "source" }, name);
  const more = info?.description ? el("p", {}, info.description) : null;
  const line = facts.length ? el("p", { class: "facts" }, ...facts.map((fact) => el("span", {}, fact))) : null;
  card.append(...[title, more, line, el("div", { class: "buttons" }, ...buttons), place].filter(Boolean));
  return card;
}

async function prepareAgain(name, card, place) {
  const isDone = await showing(new Work(place, `Preparing ${name}`), (work) => prepare(name, work));
  if (!isDone) return;
  const anew = await datasetCard(name);
  card.replaceWith(anew);
  markUsed();
  anew.querySelector("button").focus();
}

async function remove(name, place) {
  if (!confirm(`Delete the dataset ${name} with all its documents?`)) return;
  const isDone = await showing(new Work(place, `Deleting ${name}`), async () => (await api.deleteDataset(name)).info);
  if (!isDone) return;
  await showDatasets();
  byId("tab-datasets").focus();
}

async function datasetCards() {
  try {
    await settings.loadDatasets();
  } catch (error) {
    return [el("li", { class: "error" }, error.message)];
  }
  const none = el("li", { class: "empty" }, "There are none yet. Upload a text file, or a zip of several.");
  return settings.datasets.length ? Promise.all(settings.datasets.map(datasetCard)) : [none];
}

/** Read the list from the server, and show it. */
export async function showDatasets() {
  const turn = (turns += 1);
  const cards = await datasetCards();
  if (turn !== turns) return; // a later call has newer ones
  byId("dataset-list").replaceChildren(...cards);
  markUsed();
}

/** Mark the dataset that chats and searches use. */
function markUsed() {
  for (const button of document.querySelectorAll("[data-uses]")) {
    button.setAttribute("aria-pressed", String(button.dataset.uses === settings.dataset));
  }
}

/** Make the panel work, for a server with these features. */
export function startDatasets(serverFeatures) {
  features = serverFeatures;
  settings.addEventListener("change", markUsed);
  startUpload();
}
