// The search box: what a dataset's chunks score for a query, and where each search alone would place them.

import { search } from "./api.js";
import { byId, count, seconds } from "./elements.js";
import { chunkList } from "./passages.js";
import { settings } from "./settings.js";

/** Chunks among which the ranks are looked for. */
const RANKED = 100;

const keyOf = (chunk) => chunk.id ?? JSON.stringify([chunk.source, chunk.position, chunk.text]);

/** The place of each chunk in one search alone; empty where the dataset has no such search. */
async function ranks(dataset, query, mode) {
  try {
    const { retrieved_chunks: chunks } = await search(dataset, { query, k: RANKED, mode });
    return new Map(chunks.map((chunk, at) => [keyOf(chunk), at + 1]));
  } catch {
    return new Map();
  }
}

function place(by, chunk, places) {
  const elsewhere = places.size < RANKED ? "none" : `below ${RANKED}`;
  return `rank by ${by}: ${places.get(keyOf(chunk)) ?? elsewhere}`;
}

/** Search; return a line about what was found, and its list. */
async function find(query, mode) {
  const { dataset } = settings;
  if (!dataset) throw new Error("Choose a dataset at the top of the page first.");
  const started = performance.now();
  const { retrieved_chunks: chunks } = await search(dataset, { query, k: settings.chunks, mode });
  const took = performance.now() - started;
  const [byWords, byMeaning] = await Promise.all(["keyword", "vector"].map((one) => ranks(dataset, query, one)));
  const facts = (chunk) => [place("words", chunk, byWords), place("meaning", chunk, byMeaning)];
  return [`${count(chunks.length, "chunk")} of ${dataset} in ${seconds(took)}.`, chunkList(chunks, facts)];
}

/** Make the panel work. */
export function startSearch() {
  let turns = 0;
  byId("find").addEventListener("submit", async (event) => {
    event.preventDefault();
    const turn = (turns += 1);
    const found = byId("found");
    found.className = "";
    found.textContent = "Searching…";
    byId("results").replaceChildren();
    try {
      const [line, list] = await find(byId("query").value, byId("mode").value);
      if (turn !== turns) return; // another query was asked meanwhile
      found.textContent = line;
      byId("results").replaceChildren(list);
    } catch (error) {
      if (turn !== turns) return;
      found.className = "error";
      found.textContent = error.message;
    }
  });
}
