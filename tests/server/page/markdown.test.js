// Markdown: what is shown as what, and that no text becomes markup, leads elsewhere or takes long.

import assert from "node:assert/strict";
import { test } from "node:test";

import { parseBlocks } from "./page/markdown.js";
import { safeAddress } from "./page/markdown_inline.js";

const parse = (text) => parseBlocks(text.split("\n")).map((block) => block.node);

/** A tree in short: tags with what is in them. */
const short = (node) =>
  typeof node === "string" ? node : `${node.tag}(${node.href ? `${node.href}|` : ""}${node.children.map(short).join("")})`;
const shown = (text) => parse(text).map(short).join(" ");

/** All nodes of a tree that are no text. */
const elements = (nodes) =>
  nodes.flatMap((node) => (typeof node === "string" ? [] : [node, ...elements(node.children)]));
const textOf = (node) => (typeof node === "string" ? node : node.children.map(textOf).join(""));

const CASES = {
  "# One\n## Two ##": "h3(One) h4(Two)",
  "a *b* **c** ***d*** ~~e~~ `f`": "p(a em(b) strong(c) strong(em(d)) del(e) code(f))",
  "snake_case_name and 2 * 3 * 4 and \\*not\\*": "p(snake_case_name and 2 * 3 * 4 and *not*)",
  "**not closed": "p(**not closed)",
  "``a ` b``": "p(code(a ` b))",
  "- a\n- b\n  - c\n- d": "ul(li(a)li(bul(li(c)))li(d))",
  "3. a\n4. b": "ol(li(a)li(b))",
  "- a\n\n  more\n- b": "ul(li(p(a)p(more))li(b))",
  "text\n- a": "p(text) ul(li(a))",
  "> a\n> > b": "blockquote(p(a)blockquote(p(b)))",
  "```py\n<b> *x*\n```\nafter": "pre(code(<b> *x*)) p(after)",
  "```\nnot closed": "pre(code(not closed))",
  "a | b\n-- | --:\n1 | `x` \\| y\n\nend": "table(thead(tr(th(a)th(b)))tbody(tr(td(1)td(code(x) | y)))) p(end)",
  "a | b": "p(a | b)",
  "---": "hr()",
  "a  \nb\nc": "p(abr()b\nc)",
  "[a *b*](https://e.org/x_(y) \"t\")": "p(a(https://e.org/x_(y)|a em(b)))",
  "![a picture](https://e.org/p.png)": "p(a(https://e.org/p.png|a picture))",
  "see https://e.org/a?b=1, <mailto:a@e.org>.": "p(see a(https://e.org/a?b=1|https://e.org/a?b=1), a(mailto:a@e.org|mailto:a@e.org).)",
  "[a [b](https://e.org/2)](https://e.org/1)": "p(a(https://e.org/1|a b))",
  "": "",
};

for (const [text, expected] of Object.entries(CASES)) {
  test(`shows ${JSON.stringify(text)}`, () => assert.equal(shown(text), expected));
}

const HOSTILE = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "<a href='javascript:alert(1)'>x</a>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](java\tscript:alert(1))",
  "[x](  javascript:alert(1) )",
  "[x](&#106;avascript:alert(1))",
  "[x](vbscript:x) [x](data:text/html,<script>1</script>) [x](file:///etc/passwd) [x](blob:https://e.org/1)",
  "[x](//e.org) [x](/datasets) [x](..) [x](?q) [x](#a)",
  "![x](javascript:alert(1))",
  "<javascript:alert(1)>",
  "[<b>x</b>](https://e.org/\"onmouseover=\"alert(1))",
  "| <script> | x |\n|---|---|\n| <b> | y |",
  "```html\" onload=\"alert(1)\n</code></pre><script>alert(1)</script>\n```",
  "> <iframe srcdoc='x'>",
];
const TAGS = "a blockquote br code del em h3 h4 h5 h6 hr li ol p pre strong table tbody td th thead tr ul".split(" ");

for (const text of HOSTILE) {
  test(`shows as text or as a safe link: ${JSON.stringify(text)}`, () => {
    const nodes = elements(parse(text));
    assert.deepEqual(nodes.filter((node) => !TAGS.includes(node.tag)), []);
    const allowed = new Set(["tag", "children", "href", "start", "align"]);
    assert.deepEqual(nodes.flatMap(Object.keys).filter((name) => !allowed.has(name)), []);
    for (const node of nodes.filter((one) => one.tag === "a")) assert.match(node.href, /^(https?:\/\/|mailto:)/);
  });
}

test("shows the tags of a text as they are written", () => {
  assert.equal(parse("<script>alert(1)</script>").map(textOf).join(""), "<script>alert(1)</script>");
});

test("leads to http, https and mailto alone", () => {
  assert.equal(safeAddress(" https://e.org/a b "), "https://e.org/a%20b");
  assert.equal(safeAddress("mailto:a@e.org"), "mailto:a@e.org");
  for (const text of ["javascript:1", "data:,x", "ftp://e.org", "about:blank", "x", "", "//e.org", "\u0001javascript:1"]) {
    assert.equal(safeAddress(text), null);
  }
});

const repeat = (text, length) => text.repeat(Math.ceil(length / text.length));
const LARGE = [
  "[", "](", "*a ", "_a", "`a ``b ", ">", "> ", "- ", "1. ", "|", "*", "~", "\\", "<", "h", "https://", " ", "#", "**a *b _c [d](", "![", "*`",
];

for (const piece of LARGE) {
  test(`takes no more than a moment for many ${JSON.stringify(piece)}`, { timeout: 5000 }, () => {
    parse(repeat(piece, 50_000));
    parse(repeat(`${piece}\n`, 50_000));
  });
}

test("does not nest without end", () => {
  const depth = (node) => (typeof node === "string" ? 0 : 1 + Math.max(0, ...node.children.map(depth)));
  const deep = [repeat(">", 5000), repeat("- ", 5000), `${repeat("**a *b ", 700)}${repeat("* ** ", 700)}`];
  for (const text of deep) assert.ok(Math.max(...parse(text).map(depth)) < 60);
});

test("no block changes an earlier one, wherever a growing text is cut", () => {
  const text = Object.keys(CASES).join("\n\n");
  const whole = parse(text).map(short);
  for (let cut = 0; cut <= text.length; cut += 1) {
    const lines = text.slice(0, cut).split("\n");
    const blocks = parseBlocks(lines);
    let open = blocks.length - 1;
    while (open > 0 && blocks[open].line >= lines.length - 1) open -= 1;
    const final = blocks.slice(0, Math.max(open, 0)).map((block) => short(block.node));
    assert.deepEqual(final, whole.slice(0, final.length), JSON.stringify(text.slice(0, cut)));
  }
});
