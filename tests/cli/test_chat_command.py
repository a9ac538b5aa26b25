"""`reka chat`: what is asked, and what is shown."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reka.testing import FakeReka
from reka.testing.bodies import completion, texts
from tests.support.clients import KEY
from tests.support.command_line import Command, Terminal

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000000000500"
    "01a5f645400000000049454e44ae426082"
)
CHUNKS = [
    {"text": "The with statement\n   wraps a block.", "source": "with.txt", "score": 0.9876, "similarity": 0.7},
    {"text": "A second one", "source": "try.txt", "score": 0.5},
]


def test_a_question_is_sent_with_the_key_of_the_environment_and_its_answer_shown(
    server: FakeReka, command: Command
) -> None:
    server.will_answer(200, {"type": "model", "text": "It is blue.\n\n"})

    outcome = command("chat", "What colour is the sky?")

    assert (outcome.code, outcome.out, outcome.err) == (0, "It is blue.\n", "")
    (request,) = server.requests
    assert (request.method, request.path, request.headers["x-api-key"]) == ("POST", "/chat", KEY)
    assert request.json["conversation_history"] == [{"type": "human", "text": "What colour is the sky?"}]


def test_every_option_reaches_the_request_under_its_documented_name(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"type": "model", "text": "ok"})

    options = "--dataset d --model m --max-tokens 5 --temperature 0.5 --seed 7 --top-k 3 --top-p 0.25"
    penalties = "--frequency-penalty 0.1 --presence-penalty 0.2 --length-penalty 1.5 --stop END --stop STOP"
    outcome = command("chat", "hi", *options.split(), *penalties.split())

    assert outcome.code == 0
    assert server.requests[0].json == {
        "conversation_history": [{"type": "human", "text": "hi"}],
        "retrieval_dataset": "d",
        "model_name": "m",
        "request_output_len": 5,
        "temperature": 0.5,
        "random_seed": 7,
        "runtime_top_k": 3,
        "runtime_top_p": 0.25,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "length_penalty": 1.5,
        "stop_words": ["END", "STOP"],
    }


def test_a_question_with_no_options_leaves_everything_to_the_server(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"type": "model", "text": "ok"})

    command("chat", "hi")

    assert sorted(server.requests[0].json) == ["conversation_history", "model_name", "stop_words"]


@pytest.mark.parametrize("arguments", [("chat",), ("chat", "-")], ids=["left out", "a dash"])
def test_a_question_is_read_from_a_pipe(server: FakeReka, command: Command, arguments: tuple[str, ...]) -> None:
    server.will_answer(200, {"type": "model", "text": "ok"})

    outcome = command(*arguments, stdin="first line\nsecond line\n")

    assert outcome.code == 0
    assert server.requests[0].json["conversation_history"][0]["text"] == "first line\nsecond line\n"


@pytest.mark.parametrize("arguments", [("chat",), ("chat", "-"), ("chat", "  ")])
def test_an_empty_question_is_not_sent(server: FakeReka, command: Command, arguments: tuple[str, ...]) -> None:
    outcome = command(*arguments, stdin=" \n")

    assert outcome.code == 2
    assert outcome.err == "error: the question is empty; pass QUESTION, or pipe it in\n"
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("chat",), "the question"),
        (("chat", "-"), "the question"),
        (("chat", "caf\udce9"), "the question"),
        (("chat", "hi", "--system", "caf\udce9"), "--system"),
        (("chat", "hi", "--dataset", "caf\udce9"), "--dataset"),
        (("datasets", "search", "birds", "caf\udce9"), "QUERY"),
        (("datasets", "add", __file__, "--description", "caf\udce9"), "--description"),
        (("logs", "search", "caf\udce9"), "TEXT"),
    ],
)
def test_bytes_that_are_not_utf8_are_not_sent(
    server: FakeReka, command: Command, arguments: tuple[str, ...], what: str
) -> None:
    outcome = command(*arguments, stdin="caf\udce9")

    assert outcome.code == 2
    assert outcome.err == f"error: {what} is not UTF-8: got the byte 0xe9 at index 3; convert it, as with iconv\n"
    assert server.requests == []


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_pipe_that_is_not_utf8_is_refused_in_any_locale(server: FakeReka, errors: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": f"utf-8:{errors}"}
    command = [sys.executable, "-m", "reka.cli", "chat"]

    outcome = subprocess.run(command, input=b"caf\xe9", capture_output=True, env=environment, check=False)

    assert outcome.returncode == 2
    assert (
        outcome.stderr == b"error: the question is not UTF-8: got the byte 0xe9 at index 3; convert it, as with iconv\n"
    )
    assert server.requests == []


def test_retrieved_chunks_are_shown_as_a_table_below_the_answer(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"type": "model", "text": "So it is.", "retrieved_chunks": CHUNKS})

    lines = [line.rstrip() for line in command("chat", "how?", "--dataset", "python").out.splitlines()]

    assert lines[0] == "So it is."
    assert lines[2].split() == ["score", "source", "text"]
    assert lines[4].split(maxsplit=2) == ["0.988", "with.txt", "The with statement wraps a block."]
    assert lines[5].split(maxsplit=2) == ["0.500", "try.txt", "A second one"]


def test_json_is_the_whole_turn_and_nothing_else(server: FakeReka, command: Command) -> None:
    turn = {"type": "model", "text": "So \x1b[31mit\x1b[0m is, Zoë.\n", "retrieved_chunks": CHUNKS}
    server.will_answer(200, turn)

    outcome = command("chat", "how?", "--dataset", "python", "--json")

    assert outcome.json == turn
    assert outcome.err == ""
    assert "\x1b" not in outcome.out


def test_an_answer_cannot_send_control_sequences_nor_rich_markup(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"type": "model", "text": "a\x1b[2Jb\x1b]0;title\x07c \x07[bold]d[/bold] :smile: \x9b31me"})

    assert command("chat", "hi").out == "abc [bold]d[/bold] :smile: e\n"


def test_a_media_file_is_sent_with_its_true_type(server: FakeReka, command: Command, tmp_path: Path) -> None:
    server.will_answer(200, {"type": "model", "text": "a pixel"})
    picture = tmp_path / "picture.bin"
    picture.write_bytes(PIXEL)

    command("chat", "What is this?", "--media", str(picture))

    assert server.requests[0].json["conversation_history"][0]["media_url"].startswith("data:image/png;base64,iVBOR")


def test_a_media_address_is_sent_as_it_is(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"type": "model", "text": "a cat"})

    command("chat", "What is this?", "--media", "https://example.com/cat.png")

    assert server.requests[0].json["conversation_history"][0]["media_url"] == "https://example.com/cat.png"


@pytest.mark.parametrize(
    ("form", "image"), [("openai", {"url": "https://example.com/cat.png"}), ("reka", "https://example.com/cat.png")]
)
@pytest.mark.parametrize("place", ["before", "after", "environment"])
def test_the_form_of_the_completions_endpoint_can_be_fixed(
    server: FakeReka, command: Command, monkeypatch: pytest.MonkeyPatch, form: str, image: object, place: str
) -> None:
    server.will_answer(404, {"detail": "Not Found"})
    server.will_answer(200, completion(content="a cat"))
    asked = ["chat", "What is this?", "--media", "https://example.com/cat.png"]
    option = ["--form", form]
    if place == "environment":
        monkeypatch.setenv("REKA_FORM", form)

    outcome = command(*{"before": [*option, *asked], "after": [*asked, *option], "environment": asked}[place])

    assert outcome.out == "a cat\n"
    assert server.paths == ["POST /chat", "POST /v1/chat/completions"]
    assert server.requests[1].json["messages"][0]["content"][0]["image_url"] == image


def test_a_form_that_does_not_exist_is_named_and_nothing_is_sent(server: FakeReka, command: Command) -> None:
    outcome = command("models", "--form", "claude")

    assert outcome.code == 2
    assert "form: got 'claude'" in outcome.err
    assert server.requests == []


def test_a_missing_media_file_is_named_and_nothing_is_sent(server: FakeReka, command: Command) -> None:
    outcome = command("chat", "What is this?", "--media", "no-such.png")

    assert outcome.code == 2
    assert "'no-such.png' does not exist" in outcome.err
    assert server.requests == []


def test_a_conversation_cannot_be_one_json_document(server: FakeReka, terminal: Callable[..., Terminal]) -> None:
    chat = terminal("chat", "--json")

    assert chat.end() == 2
    assert "cannot be printed as one JSON document" in json.loads(chat.shown)["error"]["message"]
    assert server.requests == []


def test_the_systems_text_stands_in_front_of_the_question(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"type": "model", "text": "Arr."})

    command("chat", "Who are you?", "--system", "You are a pirate.")

    (turn,) = server.requests[0].json["conversation_history"]
    assert turn["text"] == "You are a pirate.\n\nWho are you?"


def test_on_a_terminal_an_answer_is_streamed_as_markdown(server: FakeReka, terminal: Callable[..., Terminal]) -> None:
    more = threading.Event()
    server.will_stream(texts("# Owls\n\nThey hunt at **night**.\n\nAnd")[:-14], more, b"data: [DONE]\n\n")

    chat = terminal("chat", "Tell me of owls")
    chat.expect("They hunt at")  # before the answer has ended
    more.set()

    assert chat.end() == 0
    assert "**" not in chat.shown
