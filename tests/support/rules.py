"""What the rule-based test model answers: a table of rules over a conversation. Pure, and the same every time.

To teach the model something, write a function `Conversation -> Reply | None` and put it into `RULES`: the first one
that answers wins.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tests.support.schema_instances import instance, numbers, quoted


@dataclass(frozen=True)
class Call:
    """A tool the model calls."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def json(self) -> str:
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True)
class Tool:
    """A tool the model may call."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Message:
    """One message, whichever form it came in."""

    role: str
    """`system`, `user`, `assistant` or `tool`."""
    text: str
    media: tuple[str, ...] = ()
    """Kinds of the media in it: `image`, `video`, `audio`, `pdf`."""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """What the model is asked."""

    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    choice: str = "auto"
    """`auto`, `none`, `required`, or the name of the tool that must be called."""
    schema: Mapping[str, Any] | None = None
    """JSON schema that the answer must follow; empty for any JSON object."""

    @property
    def system(self) -> str:
        return "\n".join(message.text for message in self.messages if message.role == "system")

    @property
    def request_line(self) -> str:
        """The last user text."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def question(self) -> str:
        """The last user text without the passages that a server put before it."""
        return self.request_line.rpartition("</passages>\n\nQuestion: ")[2]

    @property
    def everything(self) -> str:
        return "\n".join(message.text for message in self.messages)

    @property
    def results(self) -> list[str]:
        """What tools have answered since the last user text."""
        found: list[str] = []
        for message in self.messages:
            if message.role == "user":
                found = []
            elif message.role == "tool":
                found.append(message.text)
        return found


@dataclass(frozen=True)
class Reply:
    """What the model says: a text, or tools to call."""

    text: str = ""
    calls: tuple[Call, ...] = ()


Rule: TypeAlias = Callable[[Conversation], Reply | None]


def answer(conversation: Conversation) -> Reply:
    """The first rule's answer that has one; the last rule always has."""
    return next(reply for rule in RULES if (reply := rule(conversation)) is not None)


# Texts that are a framework's own prompt come first: whatever else they hold is not what the user said.


def _selects_among_choices(request_line: Conversation) -> Reply | None:
    """LlamaIndex's selectors: numbered choices and a question, answered with numbers and reasons as JSON."""
    text = request_line.everything
    if "Some choices are given below" not in text or request_line.tools:
        return None
    choices = re.findall(r"(?m)^\((\d+)\) (.*)$", text)
    question = text.rpartition("the question: '")[2].partition("'\n")[0]
    best = max(choices, key=lambda choice: len(_words(choice[1]) & _words(question)))
    return Reply(json.dumps([{"choice": int(best[0]), "reason": f"It is about {best[1][:60].strip()}"}]))


def _splits_into_sub_questions(request_line: Conversation) -> Reply | None:
    """LlamaIndex's question generator: one sub-question a tool, as JSON."""
    text = request_line.everything
    if "output a list of relevant sub-questions" not in text or request_line.tools:
        return None
    tools = json.loads(re.findall(r"<Tools>\s*```json\s*(.*?)```", text, re.S)[-1])
    question = text.rpartition("<User Question>")[2].partition("<Output>")[0].strip()
    items = [{"sub_question": f"{question} ({name})", "tool_name": name} for name in tools]
    return Reply(f"```json\n{json.dumps({'items': items}, indent=1)}\n```")


def _condenses(request_line: Conversation) -> Reply | None:
    """LlamaIndex's chat engines ask for a follow-up as a question of its own: give it as it is."""
    found = re.search(
        r"(?s)(?:Follow Up Input: |<Follow Up Message>\n)(.*?)\s*<?Standalone question[:>]", request_line.request_line
    )
    return Reply(found[1].strip()) if found else None


def _answers_from_llamaindex_context(request_line: Conversation) -> Reply | None:
    """LlamaIndex's engines, which put what was retrieved into prompts of their own: quote what fits best."""
    for message in request_line.messages:
        for prompt in _LLAMAINDEX_PROMPTS:
            found = prompt.search(message.text) if message.role in ("system", "user") else None
            if found is None:
                continue
            question = found["question"] if message.text == request_line.request_line else request_line.request_line
            sources = re.findall(r"(?ms)^Source (\d+):\n(.*?)(?=^Source \d+:|\Z)", found["context"])
            if sources:
                number, text = _best(sources, question, lambda source: source[1])
                return Reply(f"{text.strip()} [{number}]")
            said = found.groupdict().get("before", "")
            sentences = [line.strip() for line in re.split(r"(?<=[.!?])\s+|\n+", f"{said}\n{found['context']}")]
            told = [line for line in sentences if _words(line) and not line.startswith("file_path: ")]
            return Reply(_best(told, question, str))
    return None


_LLAMAINDEX_PROMPTS: Final = [
    re.compile(prompt, re.DOTALL)
    for prompt in (
        r"New Context: (?P<context>.*?)\nQuery: (?P<question>.*?)\nOriginal Answer: (?P<before>.*?)\nNew Answer:",
        r"Now it's your turn.*?------\n(?P<context>.*?)\n------\nQuery: (?P<question>.*?)\nAnswer:",
        r"relevant documents for the context:\s*(?P<context>.*?)\n\s*Instruction:[^\n]*\n[^\n]*\n(?P<question>.*)",
        r"Use the context information below to assist the user\.\n-+\n(?P<context>.*?)\n-+\s*(?P<question>.*)",
        r"Context information[^\n]* below\.\n-+\n(?P<context>.*?)\n-+\n.*?Query: (?P<question>.*?)\nAnswer:",
    )
]
"""Question answering, refining, citing and chatting, as LlamaIndex's default prompts have it."""


def _reasons_and_acts(request_line: Conversation) -> Reply | None:
    """ReAct as LlamaIndex's prompt asks for it: thoughts, actions and an answer, as text."""
    text = request_line.everything
    if "Action Input:" not in text or "> Tool Name:" not in text:
        return None
    described = re.findall(r"(?s)> Tool Name: ([^\n]*)\nTool Description: (.*?)\nTool Args: ([^\n]*)", text)
    tools = [Tool(name, description, json.loads(schema)) for name, description, schema in described]
    turns = [message.text for message in request_line.messages if message.role in ("user", "tool")]
    # The prompt is a message of its own, or stands before the first question.
    turns[0] = turns[0].rpartition("interleaving human and assistant messages.")[2].strip()
    seen: list[str] = []
    question = ""
    for turn in turns:
        if turn.startswith("Observation: "):
            seen.append(turn.removeprefix("Observation: ").strip())
        elif turn:
            question, seen = turn, []
    calls = _planned(question, tools, seen)
    if calls:
        act = calls[0]
        return Reply(f"Thought: I need to use a tool.\nAction: {act.name}\nAction Input: {act.json}")
    said = f"The result is {seen[-1]}." if seen else f"You said: {question}"
    return Reply(f"Thought: I can answer without using any more tools.\nAnswer: {said}")


def _calls_tools(request_line: Conversation) -> Reply | None:
    """Call the tools that the user's text names, one after the other, or the one that must be called."""
    if not request_line.tools or request_line.choice == "none":
        return None
    text = request_line.question
    if request_line.choice == "auto":
        calls = _planned(text, request_line.tools, request_line.results)
        return Reply(calls=tuple(calls)) if calls else None
    must = [tool for tool in request_line.tools if request_line.choice in ("required", tool.name)]
    calls = _planned(text, must, request_line.results) or [_call(must[0], text)]
    return Reply(calls=tuple(calls))


def _writes_json(request_line: Conversation) -> Reply | None:
    """Answer in the JSON that `response_format` asks for."""
    if request_line.schema is None:
        return None
    if request_line.schema:
        made = instance(request_line.schema, request_line.question)
    else:
        made = _json_asked_in_words(request_line.everything) or {"answer": request_line.question}
    return Reply(json.dumps(made, ensure_ascii=False))


def _follows_a_schema_in_the_prompt(request_line: Conversation) -> Reply | None:
    """Frameworks without `response_format` put a JSON schema into the prompt."""
    schema = _schema_in(request_line.everything)
    return None if schema is None else Reply(json.dumps(instance(schema, request_line.request_line.partition("{")[0])))


def _states_the_result(request_line: Conversation) -> Reply | None:
    """The last message is a tool's: say what it says."""
    last = request_line.messages[-1]
    return Reply(f"The result is {last.text}." + _media_seen([last])) if last.role == "tool" else None


def _repeats(request_line: Conversation) -> Reply | None:
    found = re.search(r"(?is)\b(?:repeat|echo)\s*:\s*(.*)", request_line.question)
    return Reply(found[1]) if found else None


def _counts(request_line: Conversation) -> Reply | None:
    found = re.search(r"(?i)\bcount to (\d+)", request_line.question)
    return Reply(" ".join(map(str, range(1, int(found[1]) + 1)))) if found else None


def _remembers_the_name(request_line: Conversation) -> Reply | None:
    if not re.search(r"(?i)\b(say|what (is|was)|what's|tell me) my name", request_line.question):
        return None
    said = re.findall(r"(?i)my name is ([\w-]+)", request_line.everything)
    return Reply(f"Your name is {said[-1]}." if said else "You have not told me your name.")


def _quotes_a_passage(request_line: Conversation) -> Reply | None:
    """Passages that a server retrieved: quote the one that has most of the question's words."""
    if "</passages>" not in request_line.request_line:
        return None
    lines = request_line.request_line.rpartition("<passages>\n")[2].partition("\n</passages>")[0].splitlines()
    best = _best([json.loads(line) for line in lines], request_line.question, lambda passage: passage["text"])
    return Reply(f"According to {best['source']}: {best['text'].strip()}")


def _quotes_the_context(request_line: Conversation) -> Reply | None:
    """A question-answering prompt of a framework: quote the sentence that has most of the question's words."""
    found = re.search(r"(?is)context[^\n]*:?\n(.*?)\n[^\n]*(?:query|question): ([^\n]*)", request_line.request_line)
    if found is None:
        return None
    sentences = [line.strip() for line in re.split(r"(?<=[.!?])\s+|\n+", found[1]) if _words(line)]
    return Reply(_best(sentences, found[2], str)) if sentences else None


def _tells_what_it_sees(request_line: Conversation) -> Reply | None:
    seen = _media_seen(request_line.messages)
    return Reply(f"{seen.strip()} You said: {request_line.question}") if seen else None


def _echoes(request_line: Conversation) -> Reply | None:
    return Reply(f"You said: {request_line.question}\nI am a test model that follows rules. I know nothing else.")


RULES: Final[list[Rule]] = [
    _selects_among_choices,
    _splits_into_sub_questions,
    _condenses,
    _answers_from_llamaindex_context,
    _reasons_and_acts,
    _calls_tools,
    _writes_json,
    _follows_a_schema_in_the_prompt,
    _states_the_result,
    _repeats,
    _counts,
    _remembers_the_name,
    _quotes_a_passage,
    _quotes_the_context,
    _tells_what_it_sees,
    _echoes,
]

# Words of tools' names that say nothing about what the tool is for.
_EMPTY: Final = frozenset(
    {"get", "set", "my", "the", "tool", "function", "call", "use", "fetch", "find", "query", "run"}
)


def _planned(text: str, tools: Sequence[Tool], results: Sequence[str]) -> list[Call]:
    """The calls to make next, after `results`: the tools that a text names, in that order.

    One call at a time, so that it may build on the result before it, unless the text says `in parallel` or `at once`.
    """
    mentions = _mentions(text, tools)
    if not mentions and len(tools) == 1 and re.search(r"(?i)\bus(e|ing) (the|a|your) tool", text):
        mentions = [(0, tools[0])]
    clauses = [
        (tool, text[start if index else 0 : mentions[index + 1][0] if index + 1 < len(mentions) else None])
        for index, (start, tool) in enumerate(mentions)
    ]
    if re.search(r"(?i)\bin parallel\b|\bat once\b", text):
        return [] if results else [call for tool, clause in clauses for call in _one_each(tool, clause)]
    if len(results) >= len(clauses):
        return []
    tool, clause = clauses[len(results)]
    if results:
        before = _plain_result(results[-1])
        clause = re.sub(r"(?i)\b(the|that|its) (result|sum|answer|product)\b|\b(it|that)\b", lambda _: before, clause)
    return [_call(tool, clause)]


def _mentions(text: str, tools: Sequence[Tool]) -> list[tuple[int, Tool]]:
    """Where a text names tools: by name, or else by a word of a name."""
    found = []
    for tool in tools:
        name = re.search(rf"(?i)(?<!\w){re.escape(tool.name)}(?!\w)", text)
        at = name.start() if name else _word_of_name(tool.name, text)
        if at is not None:
            found.append((at, tool))
    return sorted(found, key=lambda mention: mention[0])


def _word_of_name(name: str, text: str) -> int | None:
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)} - _EMPTY
    places = [found.start() for word in words if len(word) > 2 and (found := re.search(rf"(?i)\b{word}", text))]
    return min(places, default=None)


def _one_each(tool: Tool, clause: str) -> list[Call]:
    """One call for each quoted text, or number, of a clause, for a tool that takes one value."""
    values = [f"'{value}'" for value in quoted(clause)] or [f"{value:g}" for value in numbers(clause)]
    takes_one = len(tool.parameters.get("required", ())) == 1
    return [_call(tool, value) for value in values] if takes_one and values else [_call(tool, clause)]


def _call(tool: Tool, text: str) -> Call:
    """Call a tool with the JSON that the text gives for it, or with values from the text."""
    given = re.search(r"\{.*\}", text, re.S)
    if given:
        try:
            return Call(tool.name, json.loads(given[0]))
        except ValueError:
            pass
    return Call(tool.name, instance({"type": "object", **tool.parameters}, text))


def _plain_result(result: str) -> str:
    """The value of a result, from JSON such as `{"result": 3}` too."""
    try:
        value = json.loads(result)
    except ValueError:
        return result
    if isinstance(value, dict):
        value = next(iter(value.values()), "")
    return str(value)


def _json_asked_in_words(text: str) -> Any:
    """JSON for `with 'a' and 'b' keys`, or for a schema that stands in the text; None if it asks for neither."""
    schema = _schema_in(text)
    if schema is not None:
        return instance(schema, text.partition("{")[0])
    keys = quoted(text) if re.search(r"(?i)\bkeys?\b|\bfields?\b", text) else []
    return {key: f"{key} of: {text.partition('.')[0]}" for key in keys} or None


def _schema_in(text: str) -> Mapping[str, Any] | None:
    """The last JSON schema of an object with properties that stands in a text."""
    decoder = json.JSONDecoder()
    found = None
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            at = text.find("{", at + 1)
            continue
        if isinstance(value, dict) and "properties" in value and isinstance(value["properties"], dict):
            found = value
        at = text.find("{", end)
    if found is None and "{{" in text:  # LlamaIndex doubles braces for a template that it does not fill in
        return _schema_in(text.replace("{{", "{").replace("}}", "}"))
    return found


def _media_seen(messages: Sequence[Message]) -> str:
    kinds = [kind for message in messages for kind in message.media]
    counted = [f"{kinds.count(kind)} {kind}{'s' * (kinds.count(kind) > 1)}" for kind in dict.fromkeys(kinds)]
    return f" I see {' and '.join(counted)}." if counted else ""


def _best(items: Sequence[Any], question: str, text: Callable[[Any], str]) -> Any:
    return max(items, key=lambda item: len(_words(text(item)) & _words(question)))


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}
