// Markdown within a block: emphasis, code, links. Every search has a limit, so that no text takes more than a moment.

/** Characters within which the end of emphasis or of a link's text is looked for. */
const MAX_SPAN = 1000;
const MAX_ADDRESS = 2000;
const MAX_DEPTH = 6;

const TAGS = { "**": "strong", __: "strong", "*": "em", _: "em", "~~": "del" };
const ESCAPED = /[!-/:-@[-`{-~]/;
const WORD = /[\p{L}\p{N}_]/u;
const BARE_ADDRESS = /https?:\/\/[^\s<>"'`\\^{}|[\]]{1,2000}/yi;
/** Text in which nothing can begin: a space may begin a line break, and `h` an address. */
const PLAIN = /[^\\`*_~[!<h\n ]+/y;

/** The address of a link, if it is one that a page may lead to; else null. */
export function safeAddress(text) {
  try {
    const url = new URL(text.trim());
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null; // relative, or none at all
  }
}

/** Parse the text of one block into nodes. */
export function inlines(text, depth = 0) {
  const nodes = [];
  let plain = "";
  let at = 0;
  const unclosed = new Set(); // lengths of runs of backticks that nothing closes
  while (at < text.length) {
    PLAIN.lastIndex = at;
    const skipped = PLAIN.exec(text);
    if (skipped) {
      plain += skipped[0];
      at += skipped[0].length;
      continue;
    }
    const found = depth < MAX_DEPTH ? readInline(text, at, depth, unclosed) : null;
    if (found === null) {
      plain += text[at];
      at += 1;
    } else if (typeof found.node === "string") {
      plain += found.node;
      at = found.next;
    } else {
      if (plain) nodes.push(plain);
      plain = "";
      nodes.push(found.node);
      at = found.next;
    }
  }
  if (plain) nodes.push(plain);
  return nodes;
}

/** What begins at a place: {node, next}, or null for a plain character. */
function readInline(text, at, depth, unclosed) {
  switch (text[at]) {
    case "\\":
      return readEscape(text, at);
    case "`":
      return readCode(text, at, unclosed);
    case "*":
    case "_":
    case "~":
      return readEmphasis(text, at, depth);
    case "[":
      return readLink(text, at, depth);
    case "!":
      return text[at + 1] === "[" ? readLink(text, at + 1, depth) : null; // a picture is a link: pages load none
    case "<":
      return readAutolink(text, at);
    case "h":
      return readAddress(text, at);
    default:
      return readSpace(text, at);
  }
}

function readEscape(text, at) {
  const next = text[at + 1];
  if (next === "\n") return { node: { tag: "br", children: [] }, next: at + 2 };
  return next !== undefined && ESCAPED.test(next) ? { node: next, next: at + 2 } : null;
}

/** Spaces: two or more at the end of a line break it. */
function readSpace(text, at) {
  let end = at;
  while (text[end] === " ") end += 1;
  if (text[end] !== "\n") return { node: text.slice(at, Math.max(end, at + 1)), next: Math.max(end, at + 1) };
  return end - at >= 2 ? { node: { tag: "br", children: [] }, next: end + 1 } : { node: "\n", next: end + 1 };
}

function runLength(text, at) {
  let end = at + 1;
  while (text[end] === text[at]) end += 1;
  return end - at;
}

function readCode(text, at, unclosed) {
  const length = runLength(text, at);
  const opened = at + length;
  if (!unclosed.has(length)) {
    for (let end = text.indexOf("`", opened); end !== -1; ) {
      const found = runLength(text, end);
      if (found === length) {
        const code = text.slice(opened, end).replaceAll("\n", " ");
        const isPadded = code.length > 2 && code.startsWith(" ") && code.endsWith(" ") && code.trim();
        const children = [isPadded ? code.slice(1, -1) : code];
        return { node: { tag: "code", children }, next: end + length };
      }
      end = text.indexOf("`", end + found);
    }
    unclosed.add(length);
  }
  return { node: text.slice(at, opened), next: opened };
}

function readEmphasis(text, at, depth) {
  const run = runLength(text, at);
  const marker = text.slice(at, at + Math.min(run, 2));
  const opened = at + marker.length;
  const asText = { node: text.slice(at, at + run), next: at + run };
  const isSpaced = /^\s?$/.test(text[at + run] ?? "");
  const isInWord = text[at] === "_" && at > 0 && WORD.test(text[at - 1]);
  if (!(marker in TAGS) || run > 3 || isSpaced || isInWord) return asText;
  const end = closing(text, opened, marker);
  if (end === -1) return asText;
  const node = { tag: TAGS[marker], children: inlines(text.slice(opened, end), depth + 1) };
  return { node, next: end + marker.length };
}

/** Where the marker that closes emphasis is; -1 if there is none. */
function closing(text, from, marker) {
  const last = Math.min(text.length, from + MAX_SPAN);
  for (let at = from; at < last; ) {
    if (text[at] === "\\") {
      at += 2;
      continue;
    }
    if (text[at] === "`") {
      const code = readCode(text.slice(0, last), at, new Set());
      at = code.next;
      continue;
    }
    if (text[at] !== marker[0]) {
      at += 1;
      continue;
    }
    const run = runLength(text, at);
    const end = at + run - marker.length;
    const fits = marker.length === 2 ? run === 2 || run === 3 : run === 1 || run === 3;
    const isInWord = marker[0] === "_" && WORD.test(text[at + run] ?? " ");
    if (fits && end > from && !/\s/.test(text[at - 1] ?? " ") && !isInWord) return end;
    at += run;
  }
  return -1;
}

function readLink(text, at, depth) {
  const bracket = closingBracket(text, at);
  if (bracket === -1 || text[bracket + 1] !== "(") return null;
  const found = addressAfter(text, bracket + 2);
  if (!found) return null;
  const href = safeAddress(found.address);
  const label = text.slice(at + 1, bracket);
  if (href === null) return { node: label, next: found.next };
  const children = label.trim() ? withoutLinks(inlines(label, depth + 1)) : [href];
  return { node: { tag: "a", href, children }, next: found.next };
}

/** The end of a link's text: its brackets are balanced, and escapes are skipped. */
function closingBracket(text, at) {
  const last = Math.min(text.length, at + MAX_SPAN);
  let open = 0;
  for (let end = at; end < last; end += 1) {
    if (text[end] === "\\") end += 1;
    else if (text[end] === "[") open += 1;
    else if (text[end] === "]" && (open -= 1) === 0) return end;
  }
  return -1;
}

/** The address in a link's parentheses, without a title, and the place after them. */
function addressAfter(text, at) {
  const last = Math.min(text.length, at + MAX_ADDRESS);
  let open = 1;
  for (let end = at; end < last; end += 1) {
    if (text[end] === "\n") return null;
    if (text[end] === "(") open += 1;
    if (text[end] === ")" && (open -= 1) === 0) {
      const [address = ""] = text.slice(at, end).trim().split(/\s/);
      return { address: address.replace(/^<|>$/g, ""), next: end + 1 };
    }
  }
  return null;
}

function readAutolink(text, at) {
  const end = text.slice(at, at + MAX_ADDRESS).indexOf(">");
  if (end === -1) return null;
  const address = text.slice(at + 1, at + end);
  const href = /\s/.test(address) ? null : safeAddress(address);
  return href && { node: { tag: "a", href, children: [address] }, next: at + end + 1 };
}

/** An address that stands in the text; the punctuation after it is not part of it. */
function readAddress(text, at) {
  if (at > 0 && WORD.test(text[at - 1])) return null;
  BARE_ADDRESS.lastIndex = at;
  let address = BARE_ADDRESS.exec(text)?.[0];
  if (!address) return null;
  address = address.replace(/[.,:;!?*_~]+$/, "");
  if (address.endsWith(")") && !address.includes("(")) address = address.slice(0, -1);
  const href = safeAddress(address);
  return href && { node: { tag: "a", href, children: [address] }, next: at + address.length };
}

const withoutLinks = (nodes) => nodes.flatMap((node) => (node.tag === "a" ? withoutLinks(node.children) : [node]));
