// A request as code, in five forms. Pure. The key is read from the environment: no code shows one.
//
// A request is {url, model, dataset, chunks, messages}: the server's address without a slash at its end, dataset "" for
// none, and messages of roles `user` and `assistant`, a question last.

const KEY = "# The key: REKA_API_KEY in the environment";

/** A Python text: JSON's texts are Python's too. */
const text = (value) => JSON.stringify(value);

/** A word of a shell's command line. */
const quoted = (value) => `'${value.replaceAll("'", `'\\''`)}'`;

/** Items in lines of their own, or in one line if there is but one. */
const lines = (items, indent) =>
  items.length === 1 ? items[0] : `\n${items.map((item) => `${indent}    ${item},\n`).join("")}${indent}`;

const list = (items, indent) => `[${lines(items, indent)}]`;
const call = (name, args) => `${name}(${lines(args, "")})`;

/** The fields of a request's body that name a dataset. */
export const retrieval = ({ dataset, chunks }) =>
  dataset ? { retrieval_dataset: dataset, retrieval_top_k: chunks } : {};

function reka(request) {
  const question = request.messages.at(-1).content;
  const types = { user: "human", assistant: "model" };
  const history = request.messages
    .slice(0, -1)
    .map(({ role, content }) => `{"type": ${text(types[role])}, "text": ${text(content)}}`);
  const args = [text(question)];
  if (history.length) args.push(`conversation_history=${list(history, "    ")}`);
  args.push(`model_name=${text(request.model)}`);
  if (request.dataset) {
    args.push(`retrieval_dataset=${text(request.dataset)}`);
    args.push(`extra_request_args={"retrieval_top_k": ${request.chunks}}`);
  }
  return `${KEY}
import reka

reka.BASE_URL = ${text(request.url)}

for event in ${call("reka.stream", args)}:
    print(event.text, end="", flush=True)
print()
`;
}

function langchain(request) {
  const args = [text(request.model), `base_url=${text(request.url)}`];
  if (request.dataset) {
    args.push(`retrieval_dataset=${text(request.dataset)}`);
    args.push(`model_kwargs={"retrieval_top_k": ${request.chunks}}`);
  }
  const messages = request.messages.map(({ role, content }) => `(${text(role)}, ${text(content)})`);
  return `${KEY}
from langchain_reka import ChatReka

model = ${call("ChatReka", args)}
for chunk in model.stream(${list(messages, "")}):
    print(chunk.text, end="", flush=True)
print()
`;
}

function llamaindex(request) {
  const args = [text(request.model), `base_url=${text(request.url)}`];
  if (request.dataset) {
    args.push(`retrieval_dataset=${text(request.dataset)}`);
    args.push(`additional_kwargs={"retrieval_top_k": ${request.chunks}}`);
  }
  const messages = request.messages.map(({ role, content }) => `ChatMessage(${text(content)}, role=${text(role)})`);
  return `${KEY}
from llama_index.core.llms import ChatMessage
from llamaindex_reka import RekaLLM

llm = ${call("RekaLLM", args)}
for response in llm.stream_chat(${list(messages, "")}):
    print(response.delta, end="", flush=True)
print()
`;
}

function openai(request) {
  const messages = request.messages.map(({ role, content }) => `{"role": ${text(role)}, "content": ${text(content)}}`);
  const args = [`model=${text(request.model)}`, `messages=${list(messages, "    ")}`, "stream=True"];
  if (request.dataset) {
    args.push(`extra_body={"retrieval_dataset": ${text(request.dataset)}, "retrieval_top_k": ${request.chunks}}`);
  }
  return `import os

from openai import OpenAI

client = OpenAI(base_url=${text(`${request.url}/v1`)}, api_key=os.environ["REKA_API_KEY"])
for chunk in ${call("client.chat.completions.create", args)}:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
`;
}

function curl(request) {
  const body = { model: request.model, messages: request.messages, stream: true, ...retrieval(request) };
  return `curl -N ${quoted(`${request.url}/v1/chat/completions`)} \\
  -H "X-Api-Key: $REKA_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d ${quoted(JSON.stringify(body, null, 2))}
`;
}

/** Each program by its name. */
export const PROGRAMS = { reka, LangChain: langchain, LlamaIndex: llamaindex, "OpenAI SDK": openai, curl };
