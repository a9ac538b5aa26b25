"""What a failed command says, where it says it, and the code it exits with."""

import pytest

import reka
from reka.cli.errors import EXIT_CODES, ExitCode, exit_code, message
from reka.testing import FakeReka, reset
from tests.support.clients import KEY
from tests.support.command_line import Command


@pytest.mark.parametrize(
    ("status", "detail", "code", "said"),
    [
        (400, "odd", 1, "400: odd"),
        (
            401,
            "who?",
            3,
            "401: the server does not take this key: who?; check the key; reka config shows where it is from",
        ),
        (403, "no", 3, "403: no; check the key; reka config shows where it is from"),
        (404, "none", 1, "404: none"),
        (422, "model: unknown", 1, "422: model: unknown"),
        (501, "not yet", 1, "501: not yet"),
    ],
)
def test_a_status_decides_the_code_and_the_way_out(
    server: FakeReka, command: Command, status: int, detail: str, code: int, said: str
) -> None:
    server.will_answer(status, {"detail": detail})

    outcome = command("models")

    assert (outcome.code, outcome.out, outcome.err) == (code, "", f"error: {said}\n")
    assert KEY not in outcome.err


def test_no_key_is_told_before_anything_is_sent(
    server: FakeReka, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REKA_API_KEY")

    outcome = command("models")

    assert outcome.code == 3
    assert "export REKA_API_KEY=" in outcome.err
    assert "add --local" in outcome.err
    assert "reka.API_KEY" not in outcome.err
    assert server.requests == []


def test_json_errors_go_to_standard_error_as_one_document(server: FakeReka, command: Command) -> None:
    server.will_answer(400, {"detail": "odd"}, {"x-request-id": "r-7"})

    outcome = command("models", "--json")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.error == {
        "type": "InvalidRequestError",
        "message": "400: odd (request r-7)",
        "status_code": 400,
        "request_id": "r-7",
        "retry_after": None,
        "exit_code": 1,
    }


def test_a_server_that_is_not_there_is_no_connection(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKA_API_KEY", KEY)
    gone = FakeReka()
    gone.close()

    outcome = command("models", "--base-url", gone.url)

    assert outcome.code == 4
    assert gone.url in outcome.err


def test_a_broken_connection_is_no_connection(server: FakeReka, command: Command, tmp_path: object) -> None:
    server.will_give(reset)

    assert command("retrieval", "prepare", "notes").code == 4


def test_an_answer_from_something_else_says_so(server: FakeReka, command: Command) -> None:
    server.will_answer(200, b"<html>Welcome to the hotel's network</html>")

    outcome = command("models")

    assert outcome.code == 1
    assert "check that --base-url is the address of a Reka API" in outcome.err


def test_a_servers_words_cannot_reach_the_terminal_raw_nor_take_more_than_a_line(
    server: FakeReka, command: Command
) -> None:
    server.will_answer(400, {"detail": "one\ntwo \x1b[31m[red]three[/red]\x07"})

    assert command("models").err == "error: 400: one two [red]three[/red]\n"


def test_there_is_no_traceback_unless_asked_for(server: FakeReka, command: Command) -> None:
    server.will_answer(400, {"detail": "odd"})
    server.will_answer(400, {"detail": "odd"})

    assert "Traceback" not in command("models").err
    debugged = command("--debug", "models")

    assert "Traceback" in debugged.err
    assert debugged.code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("chat", "hi", "--max-tokens", "0"), "--max-tokens"),
        (("chat", "hi", "--temperature", "warm"), "--temperature"),
        (("modells",), "Did you mean 'models'?"),
        (("models", "--jason"), "--json"),
        (("datasets", "publish"), "'publish'"),
        (("models", "--base-url", "ftp://example.com"), "--base-url: got"),
        (("models", "--base-url", "http://127.0.0.1:1", "--local"), "name two servers"),
        (("models", "--datasets", "nowhere"), "--datasets: got 'nowhere'"),
        (("datasets", "add", "nowhere"), "PATH: 'nowhere' does not exist"),
        (("chat", "hi", "--media", "nowhere.png"), "--media: 'nowhere.png' does not exist"),
        (("chat", "hi", "--filter", "{}"), "--filter: it filters what is retrieved; give --dataset as well"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong_and_sends_nothing(
    server: FakeReka, command: Command, arguments: tuple[str, ...], said: str
) -> None:
    outcome = command(*arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert said in outcome.err
    assert server.requests == []


def test_a_wrong_command_line_is_json_too_if_json_was_asked_for(command: Command) -> None:
    outcome = command("models", "--json", "--nonsense")

    assert (outcome.code, outcome.error["exit_code"]) == (2, 2)
    assert "--nonsense" in outcome.error["message"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (reka.InvalidConversationError("x"), 2),
        (reka.InvalidArgumentError("x"), 2),
        (reka.APITimeoutError("x"), 4),
        (reka.WaitTimeoutError("x"), 4),
        (reka.DatasetError("x", 404), 5),
        (reka.RetrievalError("x", 400), 5),
        (reka.RateLimitError("x", 429), 1),
        (reka.UnsupportedRequestError("x"), 1),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
        (PermissionError("x"), 1),
        (ZeroDivisionError("x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_error_has_its_code(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_a_mistake_of_ours_says_where_to_look_further() -> None:
    assert message(ZeroDivisionError("by zero")) == "ZeroDivisionError: by zero (--debug shows where)"


def test_an_unknown_dataset_says_where_the_names_are() -> None:
    said = message(reka.DatasetError("no dataset 'x'", 404))

    assert said == "404: no dataset 'x'; reka datasets list shows the datasets"


@pytest.mark.parametrize(
    "arguments",
    [
        ("datasets", "add", "~no-such-user/x"),
        ("datasets", "add", "~no-such-user/x", "--name", "x"),
        ("datasets", "put", "notes", "~no-such-user/x"),
        ("datasets", "put", "notes", "~no-such-user/x.jsonl"),
        ("datasets", "export", "notes", "~no-such-user/x"),
    ],
    ids=" ".join,
)
def test_a_home_folder_that_there_is_not_is_a_wrong_path(
    server: FakeReka, command: Command, arguments: tuple[str, ...]
) -> None:
    outcome = command(*arguments)

    assert outcome.code == 2
    assert outcome.err.startswith("error: PATH: got '~no-such-user/x")
    assert outcome.err.endswith("which has no known home folder; write the path out\n")
    assert server.requests == []


@pytest.mark.parametrize("variable", ["REKA_CONFIG", "REKA_LOGS"])
def test_a_home_folder_that_there_is_not_is_a_wrong_variable(
    command: Command, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "~no-such-user/x")

    outcome = command("logs")

    assert outcome.code == 2
    assert outcome.err == (
        f"error: {variable}: got '~no-such-user/x', which has no known home folder; write the path out\n"
    )


@pytest.mark.parametrize("variable", ["COLUMNS", "LINES", "TERMINAL_WIDTH"])
@pytest.mark.parametrize("size", ["0", "-1", "wide", "9" * 20])
def test_a_size_of_the_terminal_that_is_none_is_as_if_it_were_not_set(
    command: Command, monkeypatch: pytest.MonkeyPatch, variable: str, size: str
) -> None:
    monkeypatch.delenv(variable, raising=False)
    usual = command("chat", "--help")
    monkeypatch.setenv(variable, size)

    assert command("chat", "--help") == usual


def test_the_help_documents_every_exit_code(command: Command) -> None:
    shown = " ".join(command("--help").out.split())

    assert set(EXIT_CODES) == set(ExitCode)
    for code, meaning in EXIT_CODES.items():
        assert f"{int(code)} {meaning}" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("chat",),
        ("models",),
        *(("datasets", name) for name in ("add", "list", "delete")),
        *(("retrieval", name) for name in ("prepare", "status")),
    ],
    ids=" ".join,
)
def test_every_command_that_talks_to_a_server_has_the_options_of_servers(
    command: Command, arguments: tuple[str, ...]
) -> None:
    shown = command(*arguments, "--help").out

    for option in ("--base-url", "--local", "--datasets", "--form"):
        assert option in shown


def test_no_command_at_all_shows_the_help(command: Command) -> None:
    outcome = command()

    assert outcome.code == 2
    assert "Commands" in outcome.out + outcome.err
    assert "error" not in outcome.err


def test_the_traceback_of_an_error_and_the_log_obey_no_server(
    server: FakeReka, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_BASE_URL", server.url)
    server.will_answer(400, {"detail": "odd\x1b]0;title\x07\u202e"})
    debugged = command("--debug", "models")
    name = "model\x1b[2J"
    server.will_answer(404, {"error": {"message": "no such model", "code": "model_not_found"}})
    server.will_answer(200, [{"id": name}])
    server.will_answer(200, {"type": "model", "text": "Hi"})
    logged = command("chat", "Hi")

    assert "Traceback" in debugged.err
    assert "the server has no model" in logged.err
    assert not {"\x1b", "\x07", "\u202e"} & set(debugged.err + logged.err)
