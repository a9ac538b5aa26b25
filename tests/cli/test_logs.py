"""Conversations of `reka chat` are kept, listed, shown, searched, deleted, and gone on with."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reka.cli.logs.commands import around
from reka.cli.logs.store import LogStore
from reka.testing import FakeReka
from reka.testing.bodies import texts
from tests.cli.test_log_store import HEAD, turns
from tests.support.clients import KEY
from tests.support.command_line import Command, Terminal

PROMPT = "\x1b[0m>"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000000000500"
    "01a5f645400000000049454e44ae426082"
)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "pixel.png"
    path.write_bytes(PIXEL)
    return path


def path() -> Path:
    return Path(os.environ["REKA_LOGS"])


def ask(server: FakeReka, command: Command, question: str, answer: str, *options: str) -> None:
    server.will_answer(200, {"type": "model", "text": answer})
    assert command("chat", question, *options).code == 0


def sent(server: FakeReka) -> list[str]:
    return [turn["text"] for turn in server.requests[-1].json["conversation_history"]]


def test_a_question_and_its_answer_are_kept_and_shown(server: FakeReka, command: Command) -> None:
    ask(server, command, "Why is\nthe sky blue?", "It is *Rayleigh*.", "--dataset", "d", "--model", "m")

    (listed,) = command("logs", "--json").json
    shown = command("logs", "show", str(listed["id"]), "--json").json

    assert (listed["turns"], listed["model"], listed["dataset"]) == (2, "m", "d")
    assert shown["turns"] == [
        {"type": "human", "text": "Why is\nthe sky blue?"},
        {"type": "model", "text": "It is *Rayleigh*."},
    ]
    assert command("logs", "show").out == "\n> Why is\n> the sky blue?\n\nIt is *Rayleigh*.\n"


def test_the_list_is_newest_first_with_time_model_turns_and_first_words(server: FakeReka, command: Command) -> None:
    ask(server, command, "first question", "a")
    ask(server, command, "second question", "b")

    lines = [line.split("\t") for line in command("logs").out.splitlines()]

    assert [(line[0], *line[2:]) for line in lines] == [
        ("2", "reka-flash", "2", "second question"),
        ("1", "reka-flash", "2", "first question"),
    ]
    assert command("logs", "-n", "1").out.startswith("2\t")


def test_a_question_goes_on_with_the_last_conversation_or_the_one_that_is_named(
    server: FakeReka, command: Command
) -> None:
    ask(server, command, "one", "1", "--model", "m", "--system", "Be brief.")
    ask(server, command, "two", "2")

    ask(server, command, "three", "3", "--continue", "1")
    assert sent(server) == ["Be brief.\n\none", "1", "three"]
    assert server.requests[-1].json["model_name"] == "m"

    server.will_answer(200, {"type": "model", "text": "4"})
    command("chat", "--continue", "four")
    assert sent(server) == ["Be brief.\n\none", "1", "three", "3", "four"]
    server.will_answer(200, {"type": "model", "text": "5"})
    command("chat", "-c", "2", "five", "--model", "other")
    assert sent(server) == ["two", "2", "five"]
    assert server.requests[-1].json["model_name"] == "other"

    assert [(one["id"], one["turns"]) for one in command("logs", "--json").json] == [(2, 4), (1, 6)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("chat", "hi", "--continue"), "--continue: no conversation is kept yet; reka logs lists them"),
        (("chat", "--continue", "7", "hi"), "--continue: there is no conversation 7; reka logs lists them"),
        (("logs", "show"), "no conversations are kept yet; reka chat begins one"),
        (("logs", "show", "7"), "there is no conversation 7; reka logs lists them"),
        (("logs", "delete", "7"), "there is no conversation 7; reka logs lists them"),
        (("logs", "delete"), "want ids of conversations, or --all"),
        (("logs", "delete", "7", "--all"), "want ids of conversations, or --all"),
    ],
)
def test_what_is_not_there_is_named(server: FakeReka, command: Command, line: tuple[str, ...], said: str) -> None:
    outcome = command(*line)

    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == f"error: {said}"
    assert not path().exists()


def test_a_search_finds_questions_and_answers_in_capitals_or_not(server: FakeReka, command: Command) -> None:
    ask(server, command, "Where is Öland?", "In Sweden.")
    ask(server, command, "Hi", "The ISLAND is east of the mainland, and its name has % and _ in it.")

    assert command("logs", "search", "öLAND").out.startswith("1\t")
    assert "…" not in command("logs", "search", "sweden").out
    assert command("logs", "search", "island").out.startswith("2\t")
    assert command("logs", "search", "% AND _", "--json").json[0]["id"] == 2
    assert command("logs", "search", "nowhere").out == ""


@pytest.mark.parametrize(
    ("text", "wanted", "shown"),
    [
        ("the harbour", "harbour", "the harbour"),
        ("a\nb  c", "b c", "a b c"),
        ("one two three four five six seven eight nine ten", "NINE", "…four five six seven eight nine ten"),
        (f"{'x' * 60} nine", "nine", "…nine"),
    ],
)
def test_an_excerpt_has_what_was_searched_for(text: str, wanted: str, shown: str) -> None:
    assert around(text, wanted) == shown


def test_what_is_deleted_is_gone_from_the_file(server: FakeReka, command: Command) -> None:
    ask(server, command, "the first secret question", "a")
    ask(server, command, "the second secret question", "b")

    assert command("logs", "delete", "1", "--json").json == {"deleted": [1]}
    assert b"first secret" not in path().read_bytes()
    assert b"second secret" in path().read_bytes()
    assert command("logs", "delete", "--all").err == "1 deleted\n"
    assert b"second secret" not in path().read_bytes()
    assert command("logs", "--json").json == []


@pytest.mark.parametrize("place", ["option", "file"])
def test_keeping_can_be_turned_off(
    server: FakeReka, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    if place == "file":
        (tmp_path / "reka.toml").write_text("[chat]\nlog = false\n")
        monkeypatch.setenv("REKA_CONFIG", str(tmp_path / "reka.toml"))

    ask(server, command, "hi", "a", *(["--no-log"] if place == "option" else []))

    assert not path().exists()


def test_the_file_is_private_and_has_no_key_and_no_bytes_of_media(
    server: FakeReka, command: Command, picture: Path
) -> None:
    ask(server, command, "What is it?", "a pixel", "--media", str(picture))

    stored = path().read_bytes()
    assert path().stat().st_mode & 0o077 == 0
    assert str(picture).encode() in stored
    assert KEY.encode() not in stored
    assert b"iVBOR" not in stored
    assert command("logs", "show", "--json").json["turns"][0]["media"] == str(picture)


def test_a_conversation_about_media_goes_on_while_the_file_is_there(
    server: FakeReka, command: Command, picture: Path
) -> None:
    ask(server, command, "What is it?", "a pixel", "--media", str(picture))

    ask(server, command, "Which colour?", "none", "--continue")
    assert server.requests[-1].json["conversation_history"][0]["media_url"].startswith("data:image/png;base64,iVBOR")

    picture.unlink()
    outcome = command("chat", "Really?", "--continue")
    assert outcome.code == 2
    assert f"--continue: the conversation is about {picture}: " in outcome.err
    assert command("chat", "Really?", "--continue", "--media", "x.png").code == 2


def test_an_answer_is_shown_if_it_cannot_be_kept(server: FakeReka, command: Command) -> None:
    path().write_text("this is no database, and long enough to be taken for one" * 20)
    server.will_answer(200, {"type": "model", "text": "the answer"})

    outcome = command("chat", "hi")

    assert (outcome.code, outcome.out) == (0, "the answer\n")
    assert outcome.err == f"warning: the conversation is not kept: {path()}: file is not a database\n"
    assert command("logs").err == f"error: {path()}: file is not a database\n"


def test_a_conversation_that_fails_is_not_kept(server: FakeReka, command: Command) -> None:
    server.will_answer(400, {"error": {"message": "no"}})

    assert command("chat", "hi").code == 1
    assert not path().exists()


def test_a_conversation_at_the_prompt_is_kept_answer_by_answer(
    server: FakeReka, terminal: Callable[..., Terminal]
) -> None:
    server.will_stream(texts("Hi John."))
    server.will_stream(texts("You are John."))
    server.will_stream(texts("Anew."))

    chat = terminal("chat", columns=100)
    for line, shows in (("I am John.", "Hi John."), ("Who am I?", "You are John."), ("/new", "a new"), ("Hi", "Anew.")):
        chat.expect(PROMPT)
        chat.type(f"{line}\r")
        chat.expect(shows)
    chat.expect(PROMPT)
    assert [(one.id, one.turns) for one in LogStore(path()).summaries(9)] == [(2, 2), (1, 4)]
    chat.type("\x04")
    chat.expect("reka chat --continue 2 goes on with this conversation")

    assert chat.end() == 0


def test_without_logs_the_prompt_keeps_no_questions_either(
    server: FakeReka, terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    server.will_stream(texts("Hi."))

    chat = terminal("chat", "--no-log")
    chat.expect(PROMPT)
    chat.type("a question\r")
    chat.expect("Hi.")
    chat.expect(PROMPT)
    chat.type("\x04")

    assert chat.end() == 0
    assert "--continue" not in chat.shown
    assert not path().exists()
    assert list((tmp_path / "config").rglob("history")) == []


def test_a_conversation_at_the_prompt_goes_on_with_a_kept_one(
    server: FakeReka, terminal: Callable[..., Terminal]
) -> None:
    LogStore(path()).save(None, HEAD, turns("I am John.", "Hi John."))
    server.will_stream(texts("You are John."))

    chat = terminal("chat", "--continue", columns=100)
    chat.expect("It goes on after 2 turns: I am John.")
    chat.expect(PROMPT)
    chat.type("Who am I?\r")
    chat.expect("You are John.")
    chat.expect(PROMPT)
    chat.type("\x04")

    assert chat.end() == 0
    assert [message["content"] for message in server.requests[0].json["messages"]] == [
        "I am John.",
        "Hi John.",
        "Who am I?",
    ]


@pytest.mark.parametrize("columns", [80, 40])
def test_on_a_terminal_the_list_is_a_table_that_fits(terminal: Callable[..., Terminal], columns: int) -> None:
    LogStore(path()).save(None, HEAD, turns("A question that is too long for any table to show all of it" * 3, "b"))

    shown = terminal("logs", columns=columns)

    assert shown.end() == 0
    assert "A question" in shown.shown
    assert all(len(line) <= columns + 12 for line in shown.shown.replace("\x1b", "\n").splitlines())


def test_a_number_that_no_conversation_can_have_is_of_none(server: FakeReka, command: Command) -> None:
    ask(server, command, "Who?", "Me.")
    number = "9" * 30

    said = f"there is no conversation {number}; reka logs lists them\n"

    assert command("logs", "show", number).err == f"error: {said}"
    assert command("logs", "delete", number).err.endswith(said)
    assert command("chat", "--continue", number, "Who?").err == f"error: --continue: {said}"
    assert len(command("logs", "-n", number, "--json").json) == 1
    assert len(command("logs", "search", "Who", "-n", number, "--json").json) == 1


def test_a_conversation_of_the_logs_can_be_loaded_from_a_file(
    server: FakeReka, command: Command, terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    ask(server, command, "I am John.", "Hi John.")
    file = tmp_path / "talk.json"
    file.write_text(json.dumps(command("logs", "show", "--json").json))

    chat = terminal("chat", columns=100)
    chat.expect(PROMPT)
    chat.type(f"/load {file}\r")
    chat.expect("2 turns from")
    chat.expect(PROMPT)
    chat.type("\x04")

    assert chat.end() == 0
