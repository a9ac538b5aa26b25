// A Markdown tree on the page, and a text that grows.

import { safeAddress } from "./markdown_inline.js";
import { parseBlocks } from "./markdown.js";

const TAGS = new Set(
  "a blockquote br code del em h3 h4 h5 h6 hr li ol p pre strong table tbody td th thead tr ul".split(" "),
);

/** Milliseconds between two renderings of a text that grows. */
const INTERVAL = 80;

/** Build the DOM of a tree, of the tags and attributes above alone. */
function toNode(node) {
  if (typeof node === "string") return document.createTextNode(node);
  if (!TAGS.has(node.tag)) throw new Error(`No tag of this page: ${node.tag}`);
  const element = document.createElement(node.tag);
  if (node.tag === "a" && safeAddress(node.href)) {
    element.href = node.href;
    element.target = "_blank";
    element.rel = "noopener noreferrer nofollow";
  }
  if (node.start !== undefined) element.start = node.start;
  if (node.align) element.classList.add(`align-${node.align}`);
  if (node.tag === "pre") element.tabIndex = 0; // it scrolls sideways, also by keyboard
  element.append(...node.children.map(toNode));
  return node.tag === "table" ? inScroller(element) : element;
}

function inScroller(table) {
  const scroller = document.createElement("div");
  scroller.className = "scroller";
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "group");
  scroller.setAttribute("aria-label", "Table");
  scroller.append(table);
  return scroller;
}

/** A text that grows in an element: blocks that are final are rendered once, the last one again as it grows. */
export class GrowingMarkdown {
  #element;
  #onRender;
  #rest = "";
  #last = [];
  #timer = null;

  constructor(element, onRender) {
    this.#element = element;
    this.#onRender = onRender;
    this.text = "";
  }

  append(text) {
    this.text += text;
    this.#rest += text;
    this.#timer ??= setTimeout(() => this.render(), INTERVAL);
  }

  /** Show all of the text now. */
  render() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const lines = this.#rest.split(/\r?\n/);
    const blocks = parseBlocks(lines);
    // A block is final once the first line of the next one is whole.
    let open = blocks.length - 1;
    while (open > 0 && blocks[open].line >= lines.length - 1) open -= 1;
    for (const node of this.#last) node.remove();
    const nodes = blocks.map((block) => toNode(block.node));
    this.#element.append(...nodes);
    this.#last = nodes.slice(Math.max(open, 0));
    if (open > 0) this.#rest = lines.slice(blocks[open].line).join("\n");
    this.#onRender();
  }
}
