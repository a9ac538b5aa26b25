"""What no request should look like: each gets a status and an error in its generation's form, and the server stays."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest

from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.support.caller import Caller
from tests.support.embedders import WordEmbedder

CHAT, NATIVE, COMPLETIONS = "/chat", "/v1/chat", "/v1/chat/completions"
HUMAN = {"type": "human", "text": "hi"}
USER = {"role": "user", "content": "hi"}
ASSISTANT = {"role": "assistant", "content": "hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}
GOOD: dict[str, dict[str, Any]] = {
    CHAT: {"conversation_history": [HUMAN]},
    NATIVE: {"messages": [USER]},
    COMPLETIONS: {"messages": [USER]},
}
ALL_PATHS = (CHAT, NATIVE, COMPLETIONS)
V1_PATHS = (NATIVE, COMPLETIONS)
PATHS = pytest.mark.parametrize("path", ALL_PATHS)


def rows(table: Mapping[str, Any], paths: Sequence[str]) -> list[Any]:
    """Every row of a table at the last path, and the first row at the other paths: they share the code under test."""
    first, *_ = table
    every = [(name, paths[-1]) for name in table]
    return [
        pytest.param(path, *row if isinstance(row := table[name], tuple) else (row,), id=f"{name} {path}")
        for name, path in [*((first, path) for path in paths[:-1]), *every]
    ]


@pytest.fixture
def prepared(api: Caller) -> Caller:
    api.add_prepared("notes", "An owl hunts at night.")
    return api


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A caller of a server that takes bodies of the usual size."""
    server = BackgroundServer(Settings(port=0, data_dir=tmp_path_factory.mktemp("roomy")), embedder=WordEmbedder())
    caller = Caller(server.url)
    yield caller
    caller.close()
    server.stop()


def complaint(path: str, answer: Any) -> str:
    """What an error says, after a look at its form."""
    body = answer.json()
    if path == COMPLETIONS:
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "code", "param"}
        return str(body["error"]["message"])
    assert set(body) == {"detail"}
    if isinstance(body["detail"], list):
        assert all(set(fault) == {"loc", "msg", "type"} for fault in body["detail"])
        return "; ".join(f"{'.'.join(map(str, fault['loc']))} {fault['msg']}" for fault in body["detail"])
    return str(body["detail"])


def refused(api: Caller, path: str, body: Any, *, status: int | None = None) -> str:
    """Send a body that is refused, and see that the server answers the next request; give what was said."""
    sent = {"data": body} if isinstance(body, bytes) else {"json": body}

    answer = api.ask("POST", path, **sent)

    assert answer.status_code == (status or (400 if path == COMPLETIONS else 422)), answer.text
    assert len(answer.content) < 10_000  # what was sent is not sent back
    assert api.ask("POST", path, json=GOOD[path]).status_code == 200
    return complaint(path, answer)


def nested(depth: int, opening: str = '{"a":', inside: str = "1", closing: str = "}") -> str:
    return opening * depth + inside + closing * depth


NO_JSON: dict[str, bytes] = {
    "nothing": b"",
    "white space": b"  \n",
    "half": b'{"messages": [',
    "text": b"hello",
    "html": b"<html></html>",
    "single quotes": b"{'messages': []}",
    "two values": b"{} {}",
    "comma": b'{"messages": [],}',
    "not UTF-8": b'{"messages": "\xff\xfe"}',
    "UTF-16": '{"messages": []}'.encode("utf-16"),
    "lone high surrogate": rb'{"messages": [{"role": "user", "content": "\ud83d"}], "conversation_history": "\ud83d"}',
    "lone low surrogate": rb'{"messages": [{"role": "user", "content": "\udc00x"}], "conversation_history": "\udc00"}',
    "surrogates the wrong way round": rb'{"messages": "\udc00\ud83d"}',
    "surrogate as UTF-8": b'{"messages": "\xed\xa0\x80"}',
    "raw NUL": b'{"messages": "\x00"}',
    "deep lists": b"[" * 50_000,
    "deep objects": b'{"a":' * 10_000,
    "deep and whole": nested(5_000).encode(),
}


@pytest.mark.parametrize(("path", "body"), rows(NO_JSON, ALL_PATHS))
def test_what_is_no_json_is_refused(api: Caller, path: str, body: bytes) -> None:
    assert "JSON" in refused(api, path, body)


NO_OBJECT = {repr(body): body for body in ([], "text", 5, None, True, [1, 2])}


@pytest.mark.parametrize(("path", "body"), rows(NO_OBJECT, ALL_PATHS))
def test_what_is_no_object_is_refused(api: Caller, path: str, body: Any) -> None:
    assert "object" in refused(api, path, json.dumps(body).encode())


@PATHS
def test_a_body_with_nothing_in_it_is_told_what_is_missing(api: Caller, path: str) -> None:
    said = refused(api, path, {})

    assert ("conversation_history" if path == CHAT else "messages") in said
    assert "required" in said


WRONG_TYPES: dict[str, Any] = {
    "model": 5,
    "stream": "yes",
    "max_tokens": "many",
    "temperature": "hot",
    "top_k": 1.5,
    "top_p": True,
    "seed": "x",
    "stop": 5,
    "frequency_penalty": [],
    "presence_penalty": {},
    "length_penalty": "long",
    "tools": {},
    "retrieval_dataset": 5,
    "retrieval_top_k": "8",
}
OUT_OF_RANGE: dict[str, Any] = {
    "max_tokens": 0,
    "temperature": -0.1,
    "top_k": -1,
    "top_p": 1.1,
    "retrieval_top_k": 101,
    "stop": [""],
}


WRONG_VALUES = {f"{name} {value!r:.20}": (name, value) for name, value in (*WRONG_TYPES.items(), *OUT_OF_RANGE.items())}


@pytest.mark.parametrize(("path", "name", "value"), rows(WRONG_VALUES, V1_PATHS))
def test_a_parameter_of_a_wrong_type_or_out_of_range_is_named(api: Caller, path: str, name: str, value: Any) -> None:
    assert name in refused(api, path, {**GOOD[path], name: value})


MESSAGES: dict[str, tuple[Any, str]] = {
    "none": ([], "user"),
    "no list": ("hi", "array"),
    "an object": ({}, "array"),
    "text": (["hi"], "messages.0: got a string, want an object"),
    "null": ([None], "messages.0: got nothing, want an object"),
    "a list": ([[]], "messages.0: got a list, want an object"),
    "a number": ([USER, 5], "messages.1: got a number, want an object"),
    "no role": ([{"content": "hi"}], "messages.0.role: got nothing, want one of"),
    "unknown role": ([{"role": "robot", "content": "hi"}], "messages.0.role: got 'robot', want one of"),
    "role of another type": ([{"role": 5, "content": "hi"}], "messages.0.role: got a number"),
    "long role": ([{"role": "x" * 50_000, "content": "hi"}], "messages.0.role"),
    "nobody asks": ([ASSISTANT], "role user"),
    "no content": ([{"role": "user"}], "messages.0.content: is missing"),
    "content is null": ([{"role": "user", "content": None}], "messages.0.content: is missing"),
    "content is a number": ([{"role": "user", "content": 5}], "messages.0.content: got a number"),
    "content is an object": ([{"role": "user", "content": {}}], "messages.0.content: got an object"),
    "part is text": ([{"role": "user", "content": ["hi"]}], "messages.0.content.0: got a string"),
    "part without a type": ([{"role": "user", "content": [{}]}], "messages.0.content.0.type: got nothing"),
    "unknown part": ([{"role": "user", "content": [{"type": "smell"}]}], "got 'smell', want one of text, image_url"),
    "part without its value": ([{"role": "user", "content": [{"type": "text"}]}], "messages.0.content.0.text"),
    "text of another type": ([{"role": "user", "content": [{"type": "text", "text": 5}]}], "want a string"),
    "media of another type": ([{"role": "user", "content": [{"type": "image_url", "image_url": 5}]}], "image_url"),
    "a file of the server": (
        [{"role": "user", "content": [{"type": "image_url", "image_url": "file:///etc/passwd"}]}],
        "want an http(s) or a data: URL",
    ),
    "calls of a user": ([{**USER, "tool_calls": [CALL]}], "only an assistant calls tools"),
    "calls that are no list": ([USER, {**ASSISTANT, "tool_calls": {"a": 1}}], "messages.1.tool_calls"),
    "a call that is text": ([USER, {**ASSISTANT, "tool_calls": ["f"]}], "messages.1.tool_calls.0"),
    "a call without an id": ([USER, {**ASSISTANT, "tool_calls": [{"function": {"name": "f"}}]}], "tool_calls.0.id"),
    "a call without a name": ([USER, {**ASSISTANT, "tool_calls": [{"id": "c", "function": {}}]}], "tool_calls.0.name"),
}


@pytest.mark.parametrize(("path", "messages", "said"), rows(MESSAGES, V1_PATHS))
def test_messages_that_are_no_conversation_are_refused_and_the_fault_located(
    api: Caller, path: str, messages: Any, said: str
) -> None:
    assert said in refused(api, path, {"messages": messages})


RESULTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "A result without a call": (COMPLETIONS, {"role": "tool", "tool_call_id": "c9", "content": "5"}, "of call 'c9'"),
    "A result without an id": (COMPLETIONS, {"role": "tool", "content": "5"}, "messages.1.tool_call_id: got nothing"),
    "B results without a call": (
        NATIVE,
        {"role": "tool_output", "content": [{"tool_call_id": "c9", "output": "5"}]},
        "of call 'c9'",
    ),
    "B results that are text": (NATIVE, {"role": "tool_output", "content": "5"}, "messages.1.content: got a string"),
    "B no results": (NATIVE, {"role": "tool_output", "content": []}, "no tool outputs"),
    "B a result that is text": (NATIVE, {"role": "tool_output", "content": ["5"]}, "messages.1.content.0"),
    "B another generation's role": (NATIVE, {"role": "tool", "tool_call_id": "c", "content": "5"}, "tool_output"),
    "A another generation's role": (COMPLETIONS, {"role": "tool_output", "content": []}, "want one of"),
}


@pytest.mark.parametrize(("path", "result", "said"), RESULTS.values(), ids=RESULTS)
def test_a_tools_result_that_belongs_to_nothing_is_refused(
    api: Caller, path: str, result: dict[str, Any], said: str
) -> None:
    assert said in refused(api, path, {"messages": [USER, result]})


TOOLS: dict[str, tuple[dict[str, Any], str]] = {
    "a tool that is text": ({"tools": ["f"]}, "tools.0: got a string, want an object"),
    "a tool without a name": ({"tools": [{"description": "x"}]}, "tools.0.name"),
    "an empty name": ({"tools": [{"name": ""}]}, "tools.0.name: is empty"),
    "a function that is text": ({"tools": [{"type": "function", "function": "f"}]}, "tools.0.function"),
    "a schema that is text": ({"tools": [{**TOOL, "parameters": "object"}]}, "tools.0.parameters: got a string"),
    "a schema that is a list": ({"tools": [{**TOOL, "parameters": []}]}, "tools.0.parameters: got a list"),
    "a schema of a number": ({"tools": [{**TOOL, "parameters": {"type": "number"}}]}, "want one of type 'object'"),
    "two of one name": ({"tools": [TOOL, TOOL]}, "two tools have the name 'f'"),
    "a choice without tools": ({"tool_choice": "required"}, "there are no tools"),
    "a named choice without tools": ({"tool_choice": {"function": {"name": "f"}}}, "there are no tools"),
    "a choice of an unknown tool": ({"tools": [TOOL], "tool_choice": "g"}, "got 'g', want auto, none, required"),
    "a choice of another type": ({"tools": [TOOL], "tool_choice": 5}, "tool_choice: got a number"),
    "a list of choices": ({"tools": [TOOL], "tool_choice": ["f"]}, "tool_choice: got a list"),
    "a choice that names none": ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice"),
    "a thousand and one": ({"tools": [{"name": f"f{n}"} for n in range(1001)]}, "1000"),
}


@pytest.mark.parametrize(("path", "given", "said"), rows(TOOLS, V1_PATHS))
def test_tools_that_are_none_are_refused_and_the_fault_located(
    api: Caller, path: str, given: dict[str, Any], said: str
) -> None:
    assert said in refused(api, path, {**GOOD[path], **given})


FORMATS: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"response_format": "json"}, "response_format"),
    "no type": ({"response_format": {}}, "want one of text, json_object, json_schema"),
    "unknown type": ({"response_format": {"type": "xml"}}, "want one of text, json_object, json_schema"),
    "no schema": ({"response_format": {"type": "json_schema"}}, "json_schema.schema: want a JSON schema"),
    "a schema that is text": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": "object"}}},
        "want a JSON schema, which is an object",
    ),
    "a schema that is a list": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": []}}},
        "want a JSON schema, which is an object",
    ),
    "options that are text": ({"stream_options": "all"}, "stream_options"),
    "usage that is text": ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
    "two answers": ({"n": 2}, "n:"),
}


@pytest.mark.parametrize(("given", "said"), FORMATS.values(), ids=FORMATS)
def test_what_only_completions_take_is_checked_there(api: Caller, given: dict[str, Any], said: str) -> None:
    assert said in refused(api, COMPLETIONS, {**GOOD[COMPLETIONS], **given})


def test_turns_that_do_not_alternate_are_refused_by_the_documented_endpoint_alone(api: Caller) -> None:
    said = refused(api, CHAT, {"conversation_history": [HUMAN, HUMAN]})

    assert "turn 1 is of type 'human', expected 'model'" in said
    assert api.ask("POST", NATIVE, json={"messages": [USER, USER, ASSISTANT, ASSISTANT]}).ok
    assert api.ask("POST", COMPLETIONS, json={"messages": [ASSISTANT, USER, USER]}).ok


NOT_DEEP_ENOUGH_TO_REFUSE = 100


@pytest.mark.parametrize("path", V1_PATHS)
def test_what_a_caller_nests_is_taken_or_refused_as_json(api: Caller, path: str) -> None:
    call = {"id": "c", "name": "f", "parameters": json.loads(nested(NOT_DEEP_ENOUGH_TO_REFUSE))}

    assert api.ask("POST", path, json={"messages": [USER, {**ASSISTANT, "tool_calls": [call]}]}).ok


@PATHS
def test_a_key_that_is_missing_is_told_before_the_body_is_read(api: Caller, path: str) -> None:
    answer = Caller(api.url, key=None).ask("POST", path, data=b"{")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "X-Api-Key" in complaint(path, answer)
    if path == COMPLETIONS:
        assert answer.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic YTpi", "bearer\t"])
def test_a_header_that_holds_no_key_is_none(api: Caller, header: str) -> None:
    caller = Caller(api.url, key=None)

    assert caller.ask("POST", COMPLETIONS, json=GOOD[COMPLETIONS], headers={"Authorization": header}).status_code == 401


@PATHS
def test_a_body_of_too_many_bytes_is_refused(api: Caller, path: str) -> None:
    assert "more than 100000 bytes" in refused(api, path, b"x" * 100_001, status=413)


NO_DATASETS = {repr(name): name for name in ("none", "", "../../etc", "a\0b")}


@pytest.mark.parametrize(("path", "name"), rows(NO_DATASETS, ALL_PATHS))
def test_a_dataset_that_is_not_there_is_told(api: Caller, path: str, name: str) -> None:
    assert "dataset" in refused(api, path, {**GOOD[path], "retrieval_dataset": name}, status=404)


TEXTS: dict[str, str] = {
    "empty": "",
    "NUL": "a\0b",
    "control": "\x01\x1b[2J\x7f\x85",
    "right to left": "\u202eabc \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "emoji": "\U0001f469\u200d\U0001f680 \U0001f1f3\U0001f1f4 \u2764\ufe0f",
    "four bytes": "\U00020000\U0010ffff",
    "no character": "\uffff\ufffe\ufeff",
    "combining": "e" + "\u0301" * 5_000,
    "line ends": "a\u2028b\u2029c\r\nd\x0be",
    "query syntax": '"AND (OR * NOT ~ : ^ \\ / [ ] { }',
    "long word": "x" * 20_000,
}


@PATHS
@pytest.mark.parametrize("with_dataset", [False, True])
def test_text_of_every_kind_is_answered(prepared: Caller, path: str, with_dataset: bool) -> None:
    for name, text in TEXTS.items():
        body: dict[str, Any] = (
            {"conversation_history": [{"type": "human", "text": text}]}
            if path == CHAT
            else {"messages": [{"role": "user", "content": text}]}
        )
        if with_dataset:
            body["retrieval_dataset"] = "notes"
        answer = prepared.ask("POST", path, json=body)
        assert answer.status_code == 200, (name, answer.text)
        assert ("retrieved_chunks" in answer.json()) is with_dataset


def test_a_model_of_any_name_is_refused_with_a_short_error(api: Caller) -> None:
    for name in TEXTS.values():
        for path in (NATIVE, COMPLETIONS):
            refused(api, path, {**GOOD[path], "model": name}, status=400)


MANY: dict[str, Callable[[int], dict[str, Any]]] = {
    CHAT: lambda n: {"conversation_history": [HUMAN, {"type": "model", "text": "x"}] * (n // 2)},
    NATIVE: lambda n: {"messages": [USER] * n},
    COMPLETIONS: lambda n: {"messages": [USER] * n},
}


@PATHS
def test_too_many_turns_are_refused(roomy: Caller, path: str) -> None:
    assert "at most 10000 items" in refused(roomy, path, MANY[path](10_002))


@PATHS
def test_a_body_of_too_many_values_is_refused(roomy: Caller, path: str) -> None:
    assert "more than 100000 values" in refused(roomy, path, MANY[path](100_000), status=413)


@PATHS
def test_as_many_turns_as_are_allowed_are_answered(roomy: Caller, path: str) -> None:
    assert roomy.ask("POST", path, json=MANY[path](10_000)).status_code == 200


def test_a_client_that_goes_away_before_its_body_is_whole_is_no_trouble(api: Caller) -> None:
    parts = urlsplit(api.url)
    for path in (CHAT, NATIVE, COMPLETIONS):
        with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as client:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\nContent-Length: 1000\r\n\r\n"
            client.sendall(head.encode() + b'{"messages": [')
        assert api.ask("POST", path, json=GOOD[path]).status_code == 200
