// Server-sent events, split anywhere.

import assert from "node:assert/strict";
import { test } from "node:test";

import { EventReader } from "./page/sse.js";

const STREAM = 'data: {"a": 1}\n\n: a comment\n\ndata:{"b": "x\u00e9"}\r\n\r\nevent: other\ndata: [DONE]\n\n';

test("gives the same events wherever the text is split", () => {
  for (let cut = 0; cut <= STREAM.length; cut += 1) {
    const reader = new EventReader();
    const events = [...reader.push(STREAM.slice(0, cut)), ...reader.push(STREAM.slice(cut))];
    assert.deepEqual(events, ['{"a": 1}', '{"b": "x\u00e9"}', "[DONE]"]);
  }
});

test("keeps an event that is not whole", () => {
  assert.deepEqual(new EventReader().push("data: [DONE"), []);
});
