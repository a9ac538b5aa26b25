"""What the rule-based test model answers: a table of rules over a conversation. Pure, and the same every time.

To teach the model something, write a function `Conversation -> Reply | None` and put it into `RULES`: the first one
that answers wins.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from tests.support.rule_conversation import Conversation, Message, Reply, Tool
from tests.support.rule_tools import call_for, next_calls
from tests.support.schema_instances import instance, quoted

Rule: TypeAlias = Callable[[Conversation], Reply | None]


def answer(conversation: Conversation) -> Reply:
    """The first rule's answer that has one; the last rule always has."""
    return next(reply for rule in RULES if (reply := rule(conversation)) is not None)


# Rules for a framework's own prompts come first: the rest of such a text is not the user's.


def _selects_among_choices(conversation: Conversation) -> Reply | None:
    """LlamaIndex's selectors: numbered choices and a question, answered with numbers and reasons as JSON."""
    text = conversation.everything
    if "Some choices are given below" not in text or conversation.tools:
        return None
    choices = re.findall(r"(?m)^\((\d+)\) (.*)$", text)
    question = text.rpartition("the question: '")[2].partition("'\n")[0]
    best = max(choices, key=lambda choice: len(_words(choice[1]) & _words(question)))
    return Reply(json.dumps([{"choice": int(best[0]), "reason": f"It is about {best[1][:60].strip()}"}]))


def _splits_into_sub_questions(conversation: Conversation) -> Reply | None:
    """LlamaIndex's question generator: one sub-question a tool, as JSON."""
    text = conversation.everything
    if "output a list of relevant sub-questions" not in text or conversation.tools:
        return None
    tools = json.loads(re.findall(r"<Tools>\s*```json\s*(.*?)```", text, re.S)[-1])
    question = text.rpartition("<User Question>")[2].partition("<Output>")[0].strip()
    items = [{"sub_question": f"{question} ({name})", "tool_name": name} for name in tools]
    return Reply(f"```json\n{json.dumps({'items': items}, indent=1)}\n```")


def _condenses(conversation: Conversation) -> Reply | None:
    """LlamaIndex's chat engines want a follow-up as a standalone question: return it unchanged."""
    found = re.search(
        r"(?s)(?:Follow Up Input: |<Follow Up Message>\n)(.*?)\s*<?Standalone question[:>]", conversation.last_user_text
    )
    return Reply(found[1].strip()) if found else None


def _answers_from_llamaindex_context(conversation: Conversation) -> Reply | None:
    """LlamaIndex's engines put retrieved texts into prompts of their own: quote the sentence that fits best."""
    for message in conversation.messages:
        for prompt in _LLAMAINDEX_PROMPTS:
            found = prompt.search(message.text) if message.role in ("system", "user") else None
            if found is None:
                continue
            question = found["question"] if message.text == conversation.last_user_text else conversation.last_user_text
            sources = re.findall(r"(?ms)^Source (\d+):\n(.*?)(?=^Source \d+:|\Z)", found["context"])
            if sources:
                number, text = _best(sources, question, lambda source: source[1])
                return Reply(f"{text.strip()} [{number}]")
            said = found.groupdict().get("before", "")
            sentences = [line.strip() for line in re.split(r"(?<=[.!?])\s+|\n+", f"{said}\n{found['context']}")]
            quotable = [line for line in sentences if _words(line) and not line.startswith("file_path: ")]
            return Reply(_best(quotable, question, str))
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


def _reasons_and_acts(conversation: Conversation) -> Reply | None:
    """ReAct as LlamaIndex's prompt asks for it: thoughts, actions and an answer, as text."""
    text = conversation.everything
    if "Action Input:" not in text or "> Tool Name:" not in text:
        return None
    described = re.findall(r"(?s)> Tool Name: ([^\n]*)\nTool Description: (.*?)\nTool Args: ([^\n]*)", text)
    tools = [Tool(name, description, json.loads(schema)) for name, description, schema in described]
    turns = [message.text for message in conversation.messages if message.role in ("user", "tool")]
    # The prompt is a message of its own, or stands before the first question.
    turns[0] = turns[0].rpartition("interleaving human and assistant messages.")[2].strip()
    seen: list[str] = []
    question = ""
    for turn in turns:
        if turn.startswith("Observation: "):
            seen.append(turn.removeprefix("Observation: ").strip())
        elif turn:
            question, seen = turn, []
    calls = next_calls(question, tools, seen)
    if calls:
        act = calls[0]
        return Reply(f"Thought: I need to use a tool.\nAction: {act.name}\nAction Input: {act.json}")
    said = f"The result is {seen[-1]}." if seen else f"You said: {question}"
    return Reply(f"Thought: I can answer without using any more tools.\nAnswer: {said}")


def _calls_tools(conversation: Conversation) -> Reply | None:
    """Call the tools that the user's text names, one after the other, or the one that must be called."""
    if not conversation.tools or conversation.choice == "none":
        return None
    text = conversation.question
    if conversation.choice == "auto":
        calls = next_calls(text, conversation.tools, conversation.results)
        return Reply(calls=tuple(calls)) if calls else None
    must = [tool for tool in conversation.tools if conversation.choice in ("required", tool.name)]
    calls = next_calls(text, must, conversation.results) or [call_for(must[0], text)]
    return Reply(calls=tuple(calls))


def _writes_json(conversation: Conversation) -> Reply | None:
    """Answer in the JSON that `response_format` asks for."""
    if conversation.schema is None:
        return None
    if conversation.schema:
        made = instance(conversation.schema, conversation.question)
    else:
        made = _json_described_in_words(conversation.everything) or {"answer": conversation.question}
    return Reply(json.dumps(made, ensure_ascii=False))


def _follows_a_schema_in_the_prompt(conversation: Conversation) -> Reply | None:
    """Frameworks without `response_format` put a JSON schema into the prompt."""
    schema = _schema_in(conversation.everything)
    return (
        None if schema is None else Reply(json.dumps(instance(schema, conversation.last_user_text.partition("{")[0])))
    )


def _states_the_result(conversation: Conversation) -> Reply | None:
    """The last message is a tool's: repeat it."""
    last = conversation.messages[-1]
    return Reply(f"The result is {last.text}." + _media_seen([last])) if last.role == "tool" else None


def _repeats(conversation: Conversation) -> Reply | None:
    found = re.search(r"(?is)\b(?:repeat|echo)\s*:\s*(.*)", conversation.question)
    return Reply(found[1]) if found else None


def _counts(conversation: Conversation) -> Reply | None:
    found = re.search(r"(?i)\bcount to (\d+)", conversation.question)
    return Reply(" ".join(map(str, range(1, int(found[1]) + 1)))) if found else None


def _remembers_the_name(conversation: Conversation) -> Reply | None:
    if not re.search(r"(?i)\b(say|what (is|was)|what's|tell me) my name", conversation.question):
        return None
    said = re.findall(r"(?i)my name is ([\w-]+)", conversation.everything)
    return Reply(f"Your name is {said[-1]}." if said else "You have not told me your name.")


def _quotes_a_passage(conversation: Conversation) -> Reply | None:
    """Retrieved passages in the prompt: quote the one with most of the question's words."""
    if "</passages>" not in conversation.last_user_text:
        return None
    lines = conversation.last_user_text.rpartition("<passages>\n")[2].partition("\n</passages>")[0].splitlines()
    best = _best([json.loads(line) for line in lines], conversation.question, lambda passage: passage["text"])
    return Reply(f"According to {best['source']}: {best['text'].strip()}")


def _quotes_the_context(conversation: Conversation) -> Reply | None:
    """A framework's question-answering prompt: quote the sentence with most of the question's words."""
    found = re.search(r"(?is)context[^\n]*:?\n(.*?)\n[^\n]*(?:query|question): ([^\n]*)", conversation.last_user_text)
    if found is None:
        return None
    sentences = [line.strip() for line in re.split(r"(?<=[.!?])\s+|\n+", found[1]) if _words(line)]
    return Reply(_best(sentences, found[2], str)) if sentences else None


def _tells_what_it_sees(conversation: Conversation) -> Reply | None:
    seen = _media_seen(conversation.messages)
    return Reply(f"{seen.strip()} You said: {conversation.question}") if seen else None


def _echoes(conversation: Conversation) -> Reply | None:
    return Reply(f"You said: {conversation.question}\nI am a test model that follows rules. I know nothing else.")


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


def _json_described_in_words(text: str) -> Any:
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
