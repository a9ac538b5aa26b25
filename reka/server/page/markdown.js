// Markdown to a tree of plain values: a node is a text or {tag, href?, start?, align?, children}. No DOM, no markup in,
// none out: text of any kind stays text, and a link leads to http, https or mailto alone.

import { inlines } from "./markdown_inline.js";

/** Nesting after which quotes and lists are shown as they are written. */
const MAX_DEPTH = 12;

const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const RULE = /^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:[ \t]+|$)/;

/**
 * Parse lines into blocks.
 * @param {string[]} lines
 * @param {number} depth How many quotes and lists the lines are in.
 * @returns {{line: number, node: object}[]} Each with the number of its first line. No block changes an earlier one, so
 *     all but the last of a growing text are final.
 */
export function parseBlocks(lines, depth = 0) {
  const blocks = [];
  let line = 0;
  while (line < lines.length) {
    if (!lines[line].trim()) {
      line += 1;
      continue;
    }
    const reader = READERS.find((one) => one.begins(lines, line, depth)) ?? PARAGRAPH;
    const { node, next } = reader.read(lines, line, depth);
    blocks.push({ line, node });
    line = next;
  }
  return blocks;
}

const nested = (lines, depth) => parseBlocks(lines, depth + 1).map((block) => block.node);

const CODE = {
  begins: (lines, line) => FENCE.test(lines[line]),
  read(lines, line) {
    const [, fence] = FENCE.exec(lines[line]);
    const closes = (text) => {
      const end = text.trim();
      return end.length >= fence.length && end === fence[0].repeat(end.length);
    };
    let end = line + 1;
    while (end < lines.length && !closes(lines[end])) end += 1;
    const text = lines.slice(line + 1, end).join("\n");
    return { node: { tag: "pre", children: [{ tag: "code", children: [text] }] }, next: end + 1 };
  },
};

const TITLE = {
  begins: (lines, line) => HEADING.test(lines[line]),
  read(lines, line) {
    const [, marks, text = ""] = HEADING.exec(lines[line]);
    const level = Math.min(marks.length + 2, 6); // the page itself has levels 1 and 2
    const title = text.trim().replace(/(?:^|[ \t])#+$/, "");
    return { node: { tag: `h${level}`, children: inlines(title) }, next: line + 1 };
  },
};

const LINE = {
  begins: (lines, line) => RULE.test(lines[line]),
  read: (_, line) => ({ node: { tag: "hr", children: [] }, next: line + 1 }),
};

const QUOTATION = {
  begins: (lines, line, depth) => depth < MAX_DEPTH && QUOTE.test(lines[line]),
  read(lines, line, depth) {
    let end = line;
    while (end < lines.length && QUOTE.test(lines[end])) end += 1;
    const inner = lines.slice(line, end).map((one) => one.replace(QUOTE, ""));
    return { node: { tag: "blockquote", children: nested(inner, depth) }, next: end };
  },
};

const isOrdered = (item) => /\d/.test(item[2]);

const LIST = {
  begins: (lines, line, depth) => depth < MAX_DEPTH && ITEM.test(lines[line]) && !RULE.test(lines[line]),
  read(lines, line, depth) {
    const first = ITEM.exec(lines[line]);
    const items = [];
    let next = line;
    for (;;) {
      const item = next < lines.length && !RULE.test(lines[next]) ? ITEM.exec(lines[next]) : null;
      if (!item || isOrdered(item) !== isOrdered(first)) break;
      const { inner, end } = readItem(lines, next, item);
      items.push({ tag: "li", children: unwrapped(nested(inner, depth)) });
      next = end;
    }
    const start = isOrdered(first) ? parseInt(first[2], 10) : undefined;
    return { node: { tag: isOrdered(first) ? "ol" : "ul", start, children: items }, next };
  },
};

/** The lines of one item without its mark and indentation, and the number of the line after it and its blank lines. */
function readItem(lines, line, item) {
  const width = item[1].length + item[2].length + 1;
  const inner = [lines[line].slice(item[0].length)];
  let end = line + 1;
  for (; end < lines.length; end += 1) {
    const text = lines[end];
    const indent = text.length - text.trimStart().length;
    const isBlank = !text.trim();
    const isInside = indent >= Math.min(width, 2 + item[1].length);
    const isLazy = lines[end - 1].trim() && !beginsBlock(lines, end);
    if (!isBlank && !isInside && !isLazy) break;
    inner.push(isBlank ? "" : text.slice(Math.min(indent, width)));
  }
  return { inner, end };
}

/** An item of one paragraph is shown without one, so that lists are tight. */
function unwrapped(nodes) {
  const [first, ...rest] = nodes;
  const isTight = first?.tag === "p" && rest.every((node) => node.tag === "ul" || node.tag === "ol");
  return isTight ? [...first.children, ...rest] : nodes;
}

const cellsOf = (text) => {
  const cells = text.trim().replace(/^\|/, "").replace(/\|$/, "").split(/(?<!\\)\|/);
  return cells.map((cell) => cell.trim().replaceAll("\\|", "|"));
};

const TABLE = {
  begins(lines, line) {
    if (!lines[line].includes("|") || line + 1 >= lines.length || !lines[line + 1].includes("-")) return false;
    const rule = cellsOf(lines[line + 1]);
    return rule.every((cell) => /^:?-+:?$/.test(cell)) && rule.length === cellsOf(lines[line]).length;
  },
  read(lines, line) {
    const aligns = cellsOf(lines[line + 1]).map(alignOf);
    const row = (text, tag) => {
      const cells = cellsOf(text);
      const children = aligns.map((align, column) => ({ tag, align, children: inlines(cells[column] ?? "") }));
      return { tag: "tr", children };
    };
    let end = line + 2;
    while (end < lines.length && lines[end].includes("|")) end += 1;
    const body = lines.slice(line + 2, end).map((text) => row(text, "td"));
    const head = { tag: "thead", children: [row(lines[line], "th")] };
    return { node: { tag: "table", children: [head, { tag: "tbody", children: body }] }, next: end };
  },
};

function alignOf(rule) {
  if (!rule.endsWith(":")) return undefined;
  return rule.startsWith(":") ? "center" : "right";
}

const PARAGRAPH = {
  read(lines, line, depth) {
    let end = line + 1;
    while (end < lines.length && lines[end].trim() && !beginsBlock(lines, end, depth)) end += 1;
    return { node: { tag: "p", children: inlines(lines.slice(line, end).join("\n").trim()) }, next: end };
  },
};

const READERS = [CODE, TITLE, LINE, QUOTATION, LIST, TABLE];

const beginsBlock = (lines, line, depth = 0) => READERS.some((reader) => reader.begins(lines, line, depth));
