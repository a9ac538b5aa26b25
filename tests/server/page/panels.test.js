// The panels, in as much of a document as they need: answers that come in another order than they were asked for.

import assert from "node:assert/strict";
import { test } from "node:test";

class Element {
  constructor(tag) {
    this.tag = tag;
    this.parent = null;
    this.nodes = [];
    this.listeners = {};
    this.value = "";
    this.valueAsNumber = 1;
    this.classList = { add() {} };
    this.isRoot = false;
  }

  get isConnected() {
    return this.isRoot || (this.parent?.isConnected ?? false);
  }

  get textContent() {
    return this.nodes.map((node) => node.textContent ?? node).join("");
  }

  set textContent(text) {
    this.replaceChildren(text);
  }

  append(...nodes) {
    for (const node of nodes) if (node instanceof Element) node.parent = this;
    this.nodes.push(...nodes);
  }

  replaceChildren(...nodes) {
    for (const node of this.nodes) if (node instanceof Element) node.parent = null;
    this.nodes = [];
    this.append(...nodes);
  }

  remove() {
    this.parent.nodes = this.parent.nodes.filter((node) => node !== this);
    this.parent = null;
  }

  after(node) {
    this.parent?.append(node);
  }

  replaceWith(node) {
    const { parent } = this;
    this.remove();
    parent.append(node);
  }

  addEventListener(name, listener) {
    this.listeners[name] = listener;
  }

  setAttribute() {}
  focus() {}
}

const elements = new Map();

function byId(id) {
  if (!elements.has(id)) elements.set(id, Object.assign(new Element("div"), { isRoot: true }));
  return elements.get(id);
}

globalThis.document = {
  baseURI: "http://127.0.0.1/",
  createElement: (tag) => new Element(tag),
  createTextNode: (text) => text,
  getElementById: byId,
};
globalThis.sessionStorage = { getItem: () => null };

/** Requests that wait for their answer, by what is in their address or body. */
const waiting = new Map();

globalThis.fetch = (url, { body = "" }) =>
  new Promise((resolve, reject) => {
    waiting.set(`${url} ${body}`, { answer: (json) => resolve({ ok: true, json: async () => json }), fail: reject });
  });

/** The requests of which something is part, which are taken out. */
function take(part) {
  const found = [...waiting].filter(([key]) => key.includes(part));
  for (const [key] of found) waiting.delete(key);
  return found.map(([, request]) => request);
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

const { GrowingMarkdown } = await import("./page/markdown_view.js");
const { startSearch } = await import("./page/search.js");
const { openDocuments } = await import("./page/documents.js");

test("lines may end as Windows ends them, wherever an answer is divided", () => {
  const element = new Element("div");
  const markdown = new GrowingMarkdown(element, () => {});
  for (const piece of ["# One\r", "\ntwo\r\n", "\r\n---\r\n", "## Three\r\n"]) {
    markdown.append(piece);
    markdown.render();
  }
  assert.deepEqual(
    element.nodes.map((node) => [node.tag, node.textContent]),
    [["h3", "One"], ["p", "two"], ["hr", ""], ["h4", "Three"]],
  );
});

test("of two queries the results of the later one stay", async () => {
  byId("dataset").value = "birds";
  byId("mode").value = "hybrid";
  startSearch();
  const ask = (query) => {
    byId("query").value = query;
    byId("find").listeners.submit({ preventDefault() {} });
  };
  const answer = async (query) => {
    for (let round = 0; round < 2; round += 1) {
      for (const request of take(query)) request.answer({ retrieved_chunks: [{ text: `about ${query}`, source: "a" }] });
      await settle();
    }
  };
  ask("owls");
  ask("hens");
  await answer("hens");
  await answer("owls");
  assert.match(byId("results").textContent, /about hens/);
});

test("what is said of one dataset is not shown of another", async () => {
  openDocuments("old");
  openDocuments("new");
  const page = { documents: [{ id: "owl.txt", chunks: 1, size_bytes: 10 }], next: null };
  for (const request of take("/new/")) request.answer(page);
  for (const request of take("/old/")) request.fail(new Error("gone"));
  await settle();
  assert.match(byId("documents-body").textContent, /owl\.txt/);
  assert.doesNotMatch(byId("documents-body").textContent, /reached/);
});
