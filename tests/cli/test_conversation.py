"""The conversation of `reka chat` at a prompt: turns, commands, Ctrl-C, history, and what the terminal shows."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reka.cli.conversation.live import split_blocks
from reka.testing import FakeReka, say_nothing
from reka.testing.bodies import chunk, events, texts
from tests.support.command_line import Terminal

Open = Callable[..., Terminal]

PROMPT = "\x1b[0m>"
"""As the line editor draws it."""


def ask(chat: Terminal, *lines: str, shows: str) -> None:
    """Type lines at the prompt, and wait for what they bring and for the next prompt."""
    for line in lines:
        chat.type(f"{line}\r")
    chat.expect(shows)
    chat.expect(PROMPT)


def begin(terminal: Open, *options: str, columns: int = 80) -> Terminal:
    chat = terminal("chat", *options, columns=columns)
    chat.expect(PROMPT)
    return chat


def asked(server: FakeReka) -> list[list[str]]:
    """The texts of each request's messages."""
    return [list(map(_text, request.json["messages"])) for request in server.requests]


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "[media]") for part in content)


def test_a_conversation_keeps_its_history_and_ends_at_the_word(server: FakeReka, terminal: Open) -> None:
    server.will_stream(texts("Hi ", "John."))
    server.will_stream(texts("You are John."))

    chat = begin(terminal)
    ask(chat, "I am John.", shows="Hi John.")
    chat.type("   \r")
    chat.expect(PROMPT)
    ask(chat, "Who am I?", shows="You are John.")
    chat.type("/exit\r")

    assert chat.end() == 0
    assert asked(server) == [["I am John."], ["I am John.", "Hi John.", "Who am I?"]]


def test_ctrl_c_stops_an_answer_and_forgets_its_question_alone(server: FakeReka, terminal: Open) -> None:
    server.will_stream(texts("one"))
    gone = server.will_stream(events(chunk(content="The first half of ")), ends=False)
    server.will_stream(texts("three"))

    chat = begin(terminal)
    ask(chat, "first", shows="one")
    chat.type("second\r")
    chat.expect("The first half of")
    chat.interrupt()
    chat.expect("stopped; the conversation stays as it was")
    chat.expect(PROMPT)
    ask(chat, "third", shows="three")
    chat.type("\x04")

    assert chat.end() == 0
    assert gone.wait(30)
    assert asked(server)[-1] == ["first", "one", "third"]


def test_ctrl_c_stops_the_wait_for_an_answer(server: FakeReka, terminal: Open) -> None:
    arrived = threading.Event()

    def hold(handler: Any) -> None:
        arrived.set()
        say_nothing(handler)

    server.will_give(hold)

    chat = begin(terminal)
    chat.type("first\r")
    assert arrived.wait(30)
    chat.interrupt()
    chat.expect("stopped; the conversation stays as it was")
    chat.expect(PROMPT)
    chat.type("\x04")

    assert chat.end() == 0


def test_ctrl_c_at_the_prompt_drops_the_line_and_says_how_to_end(server: FakeReka, terminal: Open) -> None:
    chat = begin(terminal)
    chat.type("half a quest")
    chat.expect("half a quest")
    chat.interrupt_until("Ctrl-D or /exit quits")
    chat.expect(PROMPT)
    chat.type("\x04")

    assert chat.end() == 0
    assert server.requests == []


def test_a_conversation_outlives_an_error_but_not_a_wrong_key(server: FakeReka, terminal: Open) -> None:
    server.will_answer(400, {"error": {"message": "temperature: too high"}})
    server.will_answer(401, {"detail": "unknown key"})

    chat = begin(terminal)
    ask(chat, "first", shows="temperature: too high")
    chat.type("second\r")
    chat.expect("unknown key")

    assert chat.end() == 3
    assert asked(server)[1] == ["second"]


def test_a_paste_and_alt_enter_make_one_question_of_several_lines(server: FakeReka, terminal: Open) -> None:
    server.will_stream(texts("seen"))

    chat = begin(terminal)
    chat.type("\x1b[200~one\ntwo\x1b[201~")  # as terminals send a paste
    chat.type("\x1b\rthree")
    ask(chat, "", shows="seen")
    chat.type("\x04")

    assert chat.end() == 0
    assert asked(server) == [["one\ntwo\nthree"]]


def test_questions_are_kept_over_sessions_for_their_user_alone(
    server: FakeReka, terminal: Open, tmp_path: Path
) -> None:
    server.will_stream(texts("Hi."))
    server.will_stream(texts("Hi again."))
    first = begin(terminal)
    ask(first, "a question to repeat", shows="Hi.")
    first.type("\x04")
    assert first.end() == 0

    second = begin(terminal)
    second.type("\x1b[A")  # the up key
    second.expect("a question to repeat")
    ask(second, "", shows="Hi again.")
    second.type("\x04")

    assert second.end() == 0
    assert asked(server) == [["a question to repeat"]] * 2
    (history,) = (tmp_path / "config").rglob("history")
    assert history.stat().st_mode & 0o077 == 0


def test_commands_change_what_is_asked(server: FakeReka, terminal: Open, tmp_path: Path) -> None:
    server.will_stream(texts("A picture."))
    server.will_stream(texts("Another picture."))
    file = tmp_path / "talk.json"

    chat = begin(terminal)
    ask(chat, "/help", shows="/exit")
    ask(chat, "/model reka-core", shows="the model is reka-core")
    ask(chat, "/system Be brief.", shows="the system text is: Be brief.")
    ask(chat, "/media https://example.com/me.png", shows="the first question goes with it")
    ask(chat, "What is this?", shows="A picture.")
    ask(chat, "/retry", shows="Another picture.")
    ask(chat, f"/save {file}", shows="saved in")
    chat.type("/exit\r")

    assert chat.end() == 0
    assert [request.json["model"] for request in server.requests] == ["reka-core"] * 2
    first, second = asked(server)
    assert first == second
    assert "Be brief.\n\nWhat is this?" in first[0]
    assert "me.png" in json.dumps(server.requests[1].json)
    assert [turn["text"] for turn in json.loads(file.read_text())["turns"]] == ["What is this?", "Another picture."]


def test_what_only_looks_like_a_command_is_a_question(server: FakeReka, terminal: Open) -> None:
    questions = ["/* what is this? */", "// and this?", "/etc/hosts?", " /model of a car?", "/", "/begin\nwith a line"]
    for _ in questions:
        server.will_stream(texts("Seen."))

    chat = begin(terminal)
    for question in questions:
        ask(chat, f"\x1b[200~{question}\x1b[201~", shows="Seen.")
    chat.type("\x04")

    assert chat.end() == 0
    assert [texts[-1] for texts in asked(server)] == questions


def test_a_retry_that_fails_or_is_stopped_leaves_the_conversation_as_it_was(server: FakeReka, terminal: Open) -> None:
    server.will_stream(texts("one"))
    server.will_stream(texts("two"))
    server.will_answer(400, {"error": {"message": "not now"}})
    server.will_stream(events(chunk(content="The first half of ")), ends=False)
    server.will_stream(texts("two again"))
    server.will_stream(texts("three"))

    chat = begin(terminal)
    ask(chat, "first", shows="one")
    ask(chat, "second", shows="two")
    ask(chat, "/retry", shows="not now")
    chat.type("/retry\r")
    chat.expect("The first half of")
    chat.interrupt()
    chat.expect(PROMPT)
    ask(chat, "/retry", shows="two again")
    ask(chat, "third", shows="three")
    chat.type("\x04")

    assert chat.end() == 0
    assert asked(server)[2:] == [["first", "one", "second"]] * 3 + [["first", "one", "second", "two again", "third"]]


def test_a_saved_conversation_goes_on(server: FakeReka, terminal: Open, tmp_path: Path) -> None:
    server.will_stream(texts("You are John."))
    file = tmp_path / "talk.json"
    turns = [{"type": "human", "text": "I am John."}, {"type": "model", "text": "Hi."}]
    file.write_text(json.dumps({"turns": turns, "model": "m", "system": None, "dataset": None}))

    chat = begin(terminal)
    ask(chat, f"/load {file}", shows="2 turns from")
    ask(chat, "Who am I?", shows="You are John.")
    chat.type("\x04")

    assert chat.end() == 0
    assert asked(server) == [["I am John.", "Hi.", "Who am I?"]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/nonsense", "there is no command /nonsense; /help lists them"),
        ("/retry", "there is no question yet"),
        ("/load", "/load: want a file"),
        ("/load no-such.json", "\x1b[0mno-such.json: No such file"),
        ("/save /dev/null/x", "\x1b[0m/dev/null/x: Not a directory"),
        ("/save .", "\x1b[0m.: Is a directory"),
        ("/nonsense", "a space before the slash makes it a question"),
        ("/save", "/save: want a file"),
        ("/media no-such.png", "does not exist"),
        ("/save ~no-such-user/x", "/save: got '~no-such-user/x', which has no known home folder"),
        ("/load ~no-such-user/x", "/load: got '~no-such-user/x', which has no known home folder"),
    ],
)
def test_a_wrong_command_says_what_is_right(server: FakeReka, terminal: Open, line: str, said: str) -> None:
    chat = begin(terminal, columns=120)
    ask(chat, line, shows=said)
    chat.type("\x04")

    assert chat.end() == 0
    assert server.requests == []


@pytest.mark.parametrize("content", ['{"turns": [{"type": "human"}]}', "[" * 100_000, "hello"], ids=len)
def test_a_file_that_is_no_conversation_is_refused(
    server: FakeReka, terminal: Open, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)

    chat = begin(terminal, columns=200)
    ask(chat, f"/load {file}", shows="is no conversation that /save has written")
    chat.type("\x04")

    assert chat.end() == 0


def test_an_answer_fits_a_narrow_terminal_and_one_that_is_resized_meanwhile(server: FakeReka, terminal: Open) -> None:
    more = threading.Event()
    words = " ".join(f"word{number}" for number in range(30))
    server.will_stream(
        events(chunk(content=f"{words}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n")),
        more,
        texts(f"x{words}"),
    )

    chat = begin(terminal, columns=40)
    chat.type("Go\r")
    chat.expect("word29")
    chat.resize(30)
    more.set()
    chat.expect("xword0")
    chat.expect("word29")
    chat.expect(PROMPT)
    chat.type("\x04")

    assert chat.end() == 0
    body = chat.shown[chat.shown.index("word0 ") :]
    assert all(len(line) <= 40 for line in body.splitlines() if line.startswith("word"))


def test_without_colour_no_colour_is_sent(server: FakeReka, terminal: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    server.will_stream(texts("# Title\n\nSome `code`."))

    chat = terminal("chat", "Go")

    assert chat.end() == 0
    assert "Some" in chat.shown
    assert "\x1b[3" not in chat.shown.replace("\x1b[3m", "")  # 31 to 37 are colours, 3 is italics


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("one", ""),
        ("one\n", ""),
        ("one\n\n", ""),
        ("one\n\ntwo", "one\n\n"),
        ("one\n\ntwo\n\nthree", "one\n\ntwo\n\n"),
        ("```\na\n\nb", ""),
        ("```\na\n\nb\n```\n\nc", "```\na\n\nb\n```\n\n"),
        ("~~~\na\n\nb", ""),
        ("1. a\n\n   b", ""),
        ("1. a\n\n2. b", "1. a\n\n"),
    ],
)
def test_only_complete_blocks_are_final(text: str, complete: str) -> None:
    assert split_blocks(text) == (complete, text.removeprefix(complete))
