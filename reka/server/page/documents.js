// A dataset's documents, and the chunks of each.

import { listChunks, listDocuments } from "./api.js";
import { byId, count, el, size } from "./elements.js";
import { chunkList } from "./passages.js";

/** Show the documents of a dataset. */
export async function openDocuments(name) {
  byId("documents").hidden = false;
  byId("documents-title").textContent = `Documents of ${name}`;
  const list = el("ul", { class: "cards" });
  byId("documents-body").replaceChildren(list);
  await showPage(name, list, null);
  byId("documents-title").focus();
}

/** Append a page to a list; where another list is shown by then, it comes too late. */
async function showPage(name, list, after) {
  try {
    const { documents, next } = await listDocuments(name, after);
    if (!list.isConnected) return;
    list.append(...documents.map((document) => documentCard(name, document)));
    if (next) list.after(moreButton(() => showPage(name, list, next)));
    if (!documents.length && !after) list.replaceWith(el("p", { class: "empty" }, "It has no documents."));
  } catch (error) {
    if (list.isConnected) list.after(el("p", { class: "error", role: "alert" }, error.message));
  }
}

function moreButton(onclick) {
  const button = el("button", { type: "button" }, "More");
  button.addEventListener("click", () => {
    button.remove();
    onclick();
  });
  return button;
}

function documentCard(name, document) {
  const facts = [count(document.chunks, "chunk"), size(document.size_bytes)];
  if (document.source && document.source !== document.id) facts.push(`source ${document.source}`);
  const metadata = Object.entries(document.metadata ?? {}).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  const spans = [...facts, ...metadata].map((fact) => el("span", {}, fact));
  const inside = el("div", {});
  const chunks = el("details", {}, el("summary", {}, `Chunks of ${document.id}`), inside);
  chunks.addEventListener("toggle", () => {
    if (chunks.open && !inside.hasChildNodes()) showChunks(name, document.id, inside);
  });
  return el("li", {}, el("strong", { class: "source" }, document.id), el("p", { class: "facts" }, ...spans), chunks);
}

async function showChunks(name, id, inside, after = null) {
  try {
    const { chunks, next } = await listChunks(name, id, after);
    inside.append(chunkList(chunks, (chunk) => [`from character ${chunk.position.toLocaleString("en")}`]));
    if (next) inside.append(moreButton(() => showChunks(name, id, inside, next)));
  } catch (error) {
    inside.append(el("p", { class: "error", role: "alert" }, error.message));
  }
}
