// The conversation: questions, answers as they come, and what each one took.

import { ApiError, streamChat } from "./api.js";
import { byId, count, el, seconds } from "./elements.js";
import { GrowingMarkdown } from "./markdown_view.js";
import { chunkList } from "./passages.js";
import { settings } from "./settings.js";
import { retrieval } from "./snippets.js";

/** Characters of an answer that are announced to a screen reader when it is complete. */
const ANNOUNCED = 1000;

/** Distance from the end, in pixels, within which the conversation follows an answer. */
const NEAR_END = 40;

/** Messages so far; a question whose answer failed is taken out again. */
const messages = [];
let running = null;
let isAtEnd = true;

/** The request that the page sends next, or, while the question is empty, the one it sent last. */
export function currentRequest() {
  const question = byId("question").value.trim();
  const past = messages.at(-1)?.role === "assistant" ? messages : messages.slice(0, -1);
  const lastQuestion = messages.findLastIndex(({ role }) => role === "user");
  const asked = lastQuestion === -1 ? [{ role: "user", content: "Hi" }] : messages.slice(0, lastQuestion + 1);
  return {
    url: new URL(".", document.baseURI).href.replace(/\/$/, ""),
    model: settings.model,
    dataset: settings.dataset,
    chunks: settings.chunks,
    messages: question ? [...past, { role: "user", content: question }] : asked,
  };
}

/** What is sent for a request. */
function bodyOf(request) {
  const { model, messages } = request;
  return { model, messages, stream: true, stream_options: { include_usage: true }, ...retrieval(request) };
}

/** One answer on the page. */
class Answer {
  #started = performance.now();
  #firstText = null;
  #facts = {};
  #reasoning = "";

  constructor(log) {
    this.body = el("div", { class: "text" });
    this.thoughts = el("details", { class: "thoughts", hidden: true }, el("summary", {}, "Reasoning"), el("p", {}));
    this.foot = el("footer", {}, "Waiting for the answer…");
    this.card = el("article", { class: "answer", "aria-label": "Answer", "aria-busy": "true" });
    this.card.append(this.thoughts, this.body, this.foot);
    this.markdown = new GrowingMarkdown(this.body, () => follow(log));
    log.append(this.card);
  }

  /** Take one event of the stream. */
  take(event) {
    this.#facts.model = event.model ?? this.#facts.model;
    this.#facts.usage = event.usage ?? this.#facts.usage;
    this.#facts.chunks = event.retrieved_chunks ?? this.#facts.chunks;
    const choice = event.choices?.[0];
    this.#facts.finish = choice?.finish_reason ?? this.#facts.finish;
    this.#think(choice?.delta?.reasoning_content ?? choice?.delta?.reasoning);
    const text = choice?.delta?.content;
    if (!text) return;
    if (this.#firstText === null) {
      this.#firstText = performance.now();
      this.foot.textContent = "Writing…";
    }
    this.markdown.append(text);
  }

  #think(text) {
    if (typeof text !== "string" || !text) return;
    this.#reasoning += text;
    this.thoughts.hidden = false;
    this.thoughts.lastChild.textContent = this.#reasoning;
  }

  /** Show the whole answer, what it took, and what went wrong, if anything did. */
  end(problem = null) {
    this.markdown.render();
    this.card.setAttribute("aria-busy", "false");
    this.foot.textContent = problem && !this.markdown.text ? "" : this.#summary();
    if (problem) this.body.append(el("p", { class: "error" }, problem));
    const { chunks } = this.#facts;
    if (!chunks) return;
    const summary = el("summary", {}, `${count(chunks.length, "chunk")} retrieved`);
    this.card.append(el("details", {}, summary, chunkList(chunks)));
  }

  #summary() {
    const { model, usage, finish } = this.#facts;
    const facts = [model, `${seconds(performance.now() - this.#started)} in all`];
    if (this.#firstText !== null) facts.push(`first text after ${seconds(this.#firstText - this.#started)}`);
    if (usage) {
      facts.push(`${count(usage.prompt_tokens, "token")} in, ${count(usage.completion_tokens, "token")} out`);
      if (typeof usage.cost === "number") facts.push(`cost ${usage.cost}`);
    }
    if (finish && finish !== "stop") facts.push(`ended by: ${finish}`);
    return facts.filter(Boolean).join(" · ");
  }
}

/** Keep the end in view, unless the reader has scrolled away from it. */
function follow(log) {
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

const announce = (message) => {
  byId("announcement").textContent = message;
};

async function ask(question, onChange) {
  const log = byId("log");
  const request = currentRequest();
  messages.push({ role: "user", content: question });
  byId("question").value = "";
  log.append(el("article", { class: "question", "aria-label": "Question" }, el("p", {}, question)));
  const answer = new Answer(log);
  isAtEnd = true;
  follow(log);
  running = new AbortController();
  setBusy(true);
  onChange();
  announce("The answer is being written.");
  let problem = null;
  try {
    for await (const event of streamChat(bodyOf(request), running.signal)) answer.take(event);
  } catch (error) {
    if (error.name !== "AbortError" && !(error instanceof ApiError)) throw error;
    problem = error.name === "AbortError" ? "You stopped the answer." : error.message;
  } finally {
    answer.end(problem);
    setBusy(false);
  }
  finish(answer, problem, question);
  follow(log);
  onChange();
}

/** Keep what came; of a question without any answer, give the text back to be changed. */
function finish(answer, problem, question) {
  const { text } = answer.markdown;
  if (text) {
    messages.push({ role: "assistant", content: text });
    announce(problem ?? `The answer is complete. ${answer.body.innerText.slice(0, ANNOUNCED)}`);
    return;
  }
  messages.pop();
  announce(problem ?? "The answer is empty.");
  if (problem && !byId("question").value) byId("question").value = question;
}

function setBusy(isBusy) {
  byId("stop").disabled = !isBusy;
  byId("ask").querySelector('[type="submit"]').disabled = isBusy;
  byId("restart").disabled = isBusy;
  if (!isBusy) running = null;
}

/**
 * Make the panel work.
 * @param {() => void} onChange Called whenever `currentRequest` may have changed.
 */
export function startChat(onChange) {
  const field = byId("question");
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const question = field.value.trim();
    if (question && !running) ask(question, onChange);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("ask").requestSubmit();
  });
  field.addEventListener("input", onChange);
  const log = byId("log");
  log.addEventListener("scroll", () => {
    isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;
  });
  byId("stop").addEventListener("click", () => {
    running?.abort();
    field.focus();
  });
  byId("restart").addEventListener("click", () => {
    messages.length = 0;
    log.replaceChildren();
    announce("New conversation.");
    field.focus();
    onChange();
  });
}
