"""The configuration file: defaults for every command, below the environment and the command line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reka.cli.app import commands
from reka.cli.configuration.catalogue import catalogue
from reka.testing import FakeReka
from tests.support.clients import KEY
from tests.support.command_line import Command, Terminal

ANSWER = {"type": "model", "text": "ok"}
SECRET = "a-key-that-nobody-sees"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the configuration file, which its user alone can read."""
    path = tmp_path / "reka.toml"
    monkeypatch.setenv("REKA_CONFIG", str(path))

    def write(text: str) -> Path:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    return write


def test_the_file_gives_defaults_to_the_options_of_a_command(server: FakeReka, command: Command, write: Write) -> None:
    server.will_answer(200, ANSWER)
    write('[chat]\nmodel = "m"\ntemperature = 1\nmax-tokens = 5\nstop = ["A", "B"]\nsystem = "Be brief."\n')

    assert command("chat", "hi").code == 0
    assert server.requests[0].json == {
        "conversation_history": [{"type": "human", "text": "Be brief.\n\nhi"}],
        "model_name": "m",
        "request_output_len": 5,
        "temperature": 1,
        "stop_words": ["A", "B"],
    }


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    server: FakeReka, command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        server.will_answer(200, ANSWER)
    write('[chat]\nmodel = "of-the-file"\n')

    command("chat", "hi")
    monkeypatch.setenv("REKA_MODEL", "of-the-environment")
    command("chat", "hi")
    command("chat", "hi", "--model", "of-the-line")

    assert [request.json["model_name"] for request in server.requests] == [
        "of-the-file",
        "of-the-environment",
        "of-the-line",
    ]


def test_address_and_key_of_the_file_are_used_if_the_environment_has_none(
    fake: FakeReka, command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        fake.will_answer(200, ["m"])
    write(f'[global]\nbase-url = "{fake.url}"\napi-key = "{SECRET}"\n')

    assert command("models").out == "m\n"
    monkeypatch.setenv("REKA_API_KEY", KEY)
    assert command("models").out == "m\n"
    monkeypatch.setenv("REKA_BASE_URL", "http://127.0.0.1:9")
    assert command("models", "--base-url", fake.url).out == "m\n"
    assert command("models").code == 4

    assert [request.headers["x-api-key"] for request in fake.requests] == [SECRET, KEY, KEY]


def test_local_on_the_command_line_wins_over_the_address_of_the_file(command: Command, write: Write) -> None:
    write('[global]\nbase-url = "http://127.0.0.1:9"\n')

    assert "reka-flash" in command("models", "--local").out
    assert command("demo", "--base-url", "http://127.0.0.1:9").code == 2


def test_the_commands_of_a_server_share_its_section(command: Command, write: Write, tmp_path: Path) -> None:
    write(f'[server]\ndata-dir = "{(tmp_path / "mine").as_posix()}"\n')

    assert command("keys", "create", "alice").code == 0
    assert "alice" in command("keys", "list").out
    assert (tmp_path / "mine").is_dir()


def test_every_option_has_the_long_name_that_it_has_on_the_command_line() -> None:
    keys = {setting.key for setting in catalogue(commands()).values()}

    assert {key for key in keys if len(key) < 3} == set()
    assert {"top", "number", "max-tokens", "log", "wait"} <= keys
    assert not keys & {"all", "continue", "json", "local", "help"}


@pytest.mark.parametrize("name", ["doctor", "config", "models"])
def test_a_file_that_is_nested_too_deeply_is_wrong_and_not_the_end(
    server: FakeReka, command: Command, write: Write, name: str
) -> None:
    server.will_answer(200, ["m"])
    write("a = " + "[" * 3_000)

    outcome = command(name)

    assert "nested too deeply" in outcome.out + outcome.err
    assert "Traceback" not in outcome.err


def test_a_home_that_is_no_folder_has_no_file(
    server: FakeReka, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.will_answer(200, ["m"])
    monkeypatch.delenv("REKA_CONFIG", raising=False)
    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, "/dev/null")

    assert command("models").out == "m\n"
    assert command("config", "--json").json["exists"] is False


def test_what_the_file_turns_on_the_command_line_turns_off(fake: FakeReka, command: Command, write: Write) -> None:
    write(f'[global]\nbase-url = "{fake.url}"\napi-key = "{KEY}"\n[models]\nlong = true\n')
    for _ in range(2):
        fake.will_answer(200, ["m"])

    assert command("models").out != "m\n"
    assert command("models", "--no-long").out == "m\n"


def test_every_option_that_is_on_or_off_can_be_turned_off_for_once() -> None:
    switches = [setting for setting in catalogue(commands()).values() if setting.kind is bool]

    assert {setting.section for setting in switches} >= {"chat", "server", "mcp"}
    for setting in switches:
        for path, name in setting.places:
            command: Any = commands()
            for part in path:
                command = command.commands[part]
            (option,) = [option for option in command.params if option.name == name]
            assert option.secondary_opts or f"REKA_SERVER_{name.upper()}" in setting.variables, setting.name


def test_a_setting_of_a_server_in_the_environment_wins_over_the_file(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(f'[server]\ndata-dir = "{(tmp_path / "of-the-file").as_posix()}"\n')
    monkeypatch.setenv("REKA_SERVER_DATA_DIR", str(tmp_path / "of-the-environment"))

    assert command("keys", "create", "alice").code == 0
    assert (tmp_path / "of-the-environment").is_dir()
    assert not (tmp_path / "of-the-file").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('model = "m"', "got the key 'model' before the first section, want it in [chat]"),
        ('[chat]\nmodl = "m"', "got the key 'modl' in [chat], want model"),
        ("[chat]\nmax_tokens = 5", "got the key 'max_tokens' in [chat], want max-tokens"),
        ("[serve]\nport = 1", "got the key 'port' in [serve], want it in [mcp] or [server]"),
        ("[nonsense]\nx = 1", "got the key 'x' in [nonsense], want sections "),
        ("[chat]\nmodel = 5", "[chat] model: got 5, want a text in quotes"),
        ('[chat]\ntemperature = "hot"', '[chat] temperature: got "hot", want a number'),
        ("[chat]\ntemperature = true", "[chat] temperature: got true, want a number"),
        ("[chat]\ntop-p = 1.5", "[chat] top-p: got 1.5, want 1 or less"),
        ("[chat]\nmax-tokens = 0", "[chat] max-tokens: got 0, want 1 or more"),
        ("[chat]\nmax-tokens = 1.5", "[chat] max-tokens: got 1.5, want a whole number"),
        ('[chat]\nstop = "END"', '[chat] stop: got "END", want a list of texts'),
        ('[server]\nrequire-key = "yes"', '[server] require-key: got "yes", want true or false'),
        ('[global]\nform = "claude"', "[global] form: got 'claude', want auto, openai, reka"),
        ('[global]\ndatasets = "moon"', "[global] datasets: got 'moon', want 'auto'"),
        ('[global]\nbase-url = "api.reka.ai"', "[global] base-url: "),
        ("[chat", "not in the form of TOML: "),
        ('[datasets.rm]\nfilter = "{}"', "got the key 'filter' in [datasets.rm], want it in "),
    ],
)
def test_a_mistake_in_the_file_is_named_with_file_and_key(
    server: FakeReka, command: Command, write: Write, text: str, said: str
) -> None:
    path = write(text)

    outcome = command("chat", "hi")

    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {path}: ")
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert server.requests == []


@pytest.mark.parametrize(
    "text",
    [
        f'api-key = "{SECRET}"',
        f'[global]\napi_key = "{SECRET}"',
        f'[global]\napi-key = ["{SECRET}"]',
        f'[global]\napi-key = "{SECRET} "',
        f'[chat]\napi-key = "{SECRET}"',
        f'[global]\napi-key = "{SECRET}',
    ],
)
def test_a_mistake_about_the_key_does_not_show_it(command: Command, write: Write, text: str) -> None:
    write(text)

    for line in (["models"], ["models", "--json", "--debug"], ["config"], ["doctor"]):
        outcome = command(*line)

        assert outcome.code != 0
        assert SECRET not in outcome.out + outcome.err


def test_a_file_that_is_named_must_be_there(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REKA_CONFIG", str(tmp_path / "no-such.toml"))

    outcome = command("models")

    assert (outcome.code, outcome.err) == (2, f"error: REKA_CONFIG: there is no file {tmp_path / 'no-such.toml'}\n")


def test_a_file_that_is_no_text_is_named(command: Command, write: Write) -> None:
    path = write("")
    path.write_bytes(b"\xff\xfe")

    assert command("models").err == f"error: {path} is no text in UTF-8\n"


def test_help_and_version_do_not_need_a_right_file(command: Command, write: Write) -> None:
    write("[chat")

    assert command("chat", "--help").code == 0
    assert command("--version").code == 0


def test_the_help_shows_the_defaults_of_the_file_but_no_password(command: Command, write: Write) -> None:
    write(
        '[chat]\nmodel = "my-model"\n[server]\ndatabase-url = "postgresql://me:pass-word@h/d"\n'
        'upstream = "http://me:pass-word@h"\n'
    )

    assert "[default: my-model]" in command("chat", "--help").out
    assert "pass-word" not in command("serve", "--help").out


def test_a_key_that_others_can_read_is_warned_of(server: FakeReka, command: Command, write: Write) -> None:
    server.will_answer(200, ["m"])
    server.will_answer(200, ["m"])
    path = write(f'[global]\napi-key = "{SECRET}"\n')

    assert command("models").err == ""
    path.chmod(0o644)

    outcome = command("models")
    assert outcome.out == "m\n"
    assert outcome.err == f"warning: others can read {path}, which has [global] api-key: chmod 600 {path}\n"


def test_a_file_that_others_can_change_is_warned_of(server: FakeReka, command: Command, write: Write) -> None:
    server.will_answer(200, ["m"])
    path = write('[chat]\nmodel = "m"\n')
    path.chmod(0o666)

    assert command("models").err == (
        f"warning: others can change {path}, and so where your key goes: chmod 600 {path}\n"
    )


def test_a_file_without_a_secret_may_be_read_by_all(server: FakeReka, command: Command, write: Write) -> None:
    server.will_answer(200, ["m"])
    write('[chat]\nmodel = "m"\n').chmod(0o644)

    assert command("models").err == ""


def test_config_shows_what_the_file_says_and_what_is_in_effect(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        f'[global]\napi-key = "{SECRET}"\n[chat]\nmodel = "m"\ntemperature = 0.5\n'
        '[server]\ndatabase-url = "postgresql://me:pass-word@h/d"\n'
    )
    monkeypatch.setenv("REKA_MODEL", "other")

    shown = command("config")
    document = command("config", "--base-url", "local", "--json").json

    assert shown.code == 0
    assert shown.out.splitlines()[0] == str(path)
    assert re.search(r"\[chat\] model +other +REKA_MODEL, over m of the file", shown.out)
    assert re.search(r"\[chat\] temperature +0\.5 +file", shown.out)
    assert re.search(r"\[global\] form +auto +default", shown.out)
    assert SECRET not in shown.out + json.dumps(document)
    assert "pass-word" not in shown.out + json.dumps(document)
    assert document["exists"]
    assert {
        "section": "global",
        "option": "base-url",
        "file": None,
        "effective": "local",
        "source": "command line",
    } in document["options"]


def test_config_shows_where_the_file_would_be(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("REKA_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    outcome = command("config")

    assert outcome.code == 0
    assert outcome.out.splitlines()[0].endswith("config.toml")
    assert "does not exist yet" in outcome.err


def test_the_example_of_config_is_a_file_that_is_taken(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, write: Write
) -> None:
    monkeypatch.delenv("REKA_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    example = command("config").err.partition("\n\n")[2]
    path = write(example)
    monkeypatch.setenv("REKA_CONFIG", str(path))

    assert command("config", "--json").json["options"][0]["source"] == "file"


def test_doctor_names_the_file_and_what_is_wrong_with_it(server: FakeReka, command: Command, write: Write) -> None:
    server.will_answer(200, ["m"])
    server.will_answer(200, ["m"])
    path = write("")

    assert f"config file: {path}" in command("doctor").out
    write("[chat")
    broken = command("doctor")

    assert broken.code == 1
    assert "not in the form of TOML" in broken.out


def test_a_conversation_takes_the_defaults_too(
    server: FakeReka, terminal: Callable[..., Terminal], write: Write
) -> None:
    write('[chat]\nmodel = "my-model"\n')

    chat = terminal("chat")
    chat.expect("\x1b[0m>")
    chat.type("/model\r")
    chat.expect("the model is my-model")
    chat.expect("\x1b[0m>")
    chat.type("\x04")

    assert chat.end() == 0
