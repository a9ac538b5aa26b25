// Retrieved chunks as a list: score, ranks, source and text.

import { el } from "./elements.js";

const TWO_DIGITS = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
const number = (value) => value.toLocaleString("en", TWO_DIGITS);

function scoreOf(chunk) {
  if (typeof chunk.score !== "number") return null;
  const range = { min: 0, max: 1, low: 0.3, high: 0.6, optimum: 1 };
  const meter = el("meter", { ...range, value: chunk.score, "aria-hidden": "true" });
  return el("span", { class: "score" }, meter, `score ${number(chunk.score)}`);
}

const fact = (label) => el("span", {}, label);

/**
 * Build the list.
 * @param {object[]} chunks Best first.
 * @param {(chunk: object) => string[]} moreFacts What else to say of a chunk.
 */
export function chunkList(chunks, moreFacts = () => []) {
  const items = chunks.map((chunk) => {
    const facts = [scoreOf(chunk), ...moreFacts(chunk).map(fact)];
    if (typeof chunk.similarity === "number") facts.push(fact(`similarity ${number(chunk.similarity)}`));
    const source = el("span", { class: "source" }, chunk.source ?? "unknown source");
    return el("li", {}, el("p", { class: "facts" }, source, ...facts), el("p", { class: "passage" }, chunk.text));
  });
  return el("ol", { class: "cards" }, ...items);
}
