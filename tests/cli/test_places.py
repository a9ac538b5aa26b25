"""What a message calls a value: the option, the environment variable or the line of the file that it is from."""

import json
from pathlib import Path

import pytest

from reka.testing import FakeReka
from tests.support.command_line import Command


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration file, which is empty at first."""
    path = tmp_path / "reka.toml"
    path.write_text("")
    monkeypatch.setenv("REKA_CONFIG", str(path))
    return path


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("[server]\nport = 99999", "serve", "[server] port: want 65535 or less"),
        ('[server]\ncors-origin = ["x"]', "serve", "[server] cors-origin: got 'x', want an origin"),
        ('[server]\nupstream = "x"', "serve", "[server] upstream: got 'x', want the base URL"),
        ("[chat]\ntemperature = nan", "chat hi", "[chat] temperature: got nan, want a number"),
        ("[chat]\ntemperature = inf", "chat hi", "[chat] temperature: got inf, want a number"),
        ('[chat]\nmodel = ""', "chat hi", "[chat] model: got '', want a name"),
        ('[chat]\nfilter = "x"', "chat hi --dataset d", "[chat] filter: got 'x', want a JSON object"),
        ('[datasets.search]\nmode = "x"', "datasets search d q", "[datasets.search] mode: got 'x', want one of"),
        ("[datasets.search]\ntop = 0", "datasets search d q", "[datasets.search] top: got 0, want a whole number"),
    ],
)
def test_a_wrong_value_of_the_file_is_named_with_the_file(
    command: Command, server: FakeReka, config: Path, tmp_path: Path, text: str, arguments: str, said: str
) -> None:
    config.write_text(text)
    data = ["--data-dir", str(tmp_path / "data")] if arguments == "serve" else []

    outcome = command(*arguments.split(), *data)

    assert outcome.err.startswith(f"error: {config}: {said}")
    assert outcome.code in {1, 2}
    assert server.requests == []


def test_a_wrong_value_that_is_typed_is_not_blamed_on_the_file(
    command: Command, server: FakeReka, config: Path
) -> None:
    config.write_text('[datasets.search]\nmode = "hybrid"\n[server]\nport = 8000\n')

    assert command("datasets", "search", "d", "q", "--mode", "x").err.startswith("error: --mode: got 'x'")
    assert command("serve", "--port", "99999").err == "error: --port: want 65535 or less\n"


@pytest.mark.parametrize(
    ("variable", "value", "arguments", "said"),
    [
        ("REKA_BASE_URL", "foo", "models", "got 'foo', want an address"),
        ("REKA_API_KEY", "schlüssel", "models", "got a value that no HTTP header can carry"),
        ("REKA_SERVER_PORT", "99999", "serve", "want 65535 or less"),
        ("REKA_SERVER_CHUNK_CHARS", "1", "serve", "want 50 or more"),
        ("REKA_SERVER_MODELS", "1", "serve", "want a list"),
        ("REKA_SERVER_MODELS", "x", "serve", "want JSON"),
        ("REKA_SERVER_DATA_DIR", "/dev/null/x", "keys create ann", "cannot store data in /dev/null/x"),
        ("REKA_SERVER_STORE_URL", "x", "restore backup", "want s3://"),
        (
            "REQUESTS_CA_BUNDLE",
            "/no/such/file",
            "models --base-url https://127.0.0.1:9",
            "'/no/such/file' does not exist",
        ),
    ],
)
def test_a_wrong_value_of_the_environment_is_named_with_its_variable(
    command: Command,
    server: FakeReka,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    arguments: str,
    said: str,
) -> None:
    monkeypatch.setenv("REKA_SERVER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv(variable, value)

    outcome = command(*arguments.split())

    assert outcome.err.startswith(f"error: {variable}: {said}")
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("serve --data-dir /dev/null/x", "--data-dir: cannot store data in /dev/null/x"),
        ("worker --data-dir /dev/null/x", "--data-dir: cannot store data in /dev/null/x"),
        ("keys create ann --data-dir /dev/null/x", "--data-dir: cannot store data in /dev/null/x"),
        ("restore backup --data-dir /dev/null/x", "--data-dir: cannot store data in /dev/null/x"),
        ("serve --upstream foo", "--upstream: got 'foo'"),
        ("serve --upstream-key-env NOT_SET", "--upstream-key-env: the environment variable NOT_SET"),
        (
            "serve --embedder upstream:x",
            "--embedder: got 'upstream:x', which needs a server: set --embedder-url or --up",
        ),
        ("serve --database-url foo", "--database-url: got no URL of a database"),
        ("serve --store-url foo", "--store-url: want s3://"),
        ("serve --store-url file:///dev/null/x", "--store-url: cannot store data in file:///dev/null/x"),
        ("restore backup --store-url file:///dev/null/x", "--store-url: cannot store data in file:///dev/null/x"),
        ("serve --tls-cert /no/such/file", "--tls-cert: cannot read /no/such/file"),
        ("serve --access-log /no/such/file", "--access-log: cannot write '/no/such/file'"),
        ("serve --drain-seconds -1", "--drain-seconds: want 0 or more"),
        ("serve --cors-origin x", "--cors-origin: got 'x', want an origin"),
        ("serve --allowed-host a:b/c", "--allowed-host: got 'a:b/c', want the name of a host"),
        ("worker --ray-gpus -1", "--ray-gpus: want 0 or more"),
        ("serve --workers 0 --port -1", "--port: want 0 or more; --workers: want 1 or more"),
    ],
)
def test_settings_of_a_server_are_named_by_their_options(
    command: Command, tmp_path: Path, arguments: str, said: str
) -> None:
    words = arguments.split()

    outcome = command(*words, *([] if "--data-dir" in words else ["--data-dir", str(tmp_path / "data")]))

    assert outcome.err.startswith(f"error: {said}")
    assert outcome.err.count("\n") == 1
    assert not {"data_dir", "upstream_key_env", "embedder_url", "Value error"} & set(outcome.err.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chat", "hi", "--dataset", "x", "--filter", '{"a":NaN}'], "--filter: got '{\"a\":NaN}', want a JSON object"),
        (["datasets", "search", "x", "y", "--filter", '{"a":{"$foo":1}}'], "--filter['a']: got the operator '$foo'"),
        (["datasets", "rm", "notes", ""], "ID: got 0 characters"),
        (["datasets", "show", ""], "NAME: got '', want a name"),
        (["datasets", "documents", ""], "NAME: got '', want a name"),
        (["datasets", "export", ""], "NAME: got '', want a name"),
        (["datasets", "search", "", "q"], "NAME: got ''"),
        (["retrieval", "prepare", ""], "NAME: got '', want a name"),
    ],
)
def test_arguments_are_named_as_the_command_has_them(
    command: Command, server: FakeReka, arguments: list[str], said: str
) -> None:
    outcome = command(*arguments)

    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {said}")
    assert server.requests == []


@pytest.mark.parametrize(
    ("line", "options", "said"),
    [
        ({"id": 1, "text": "a"}, [], "wrong.jsonl, line 2, 'id': got a number"),
        ({"id": "b"}, [], "wrong.jsonl, line 2, 'text': got nothing"),
        ({}, [], "wrong.jsonl, line 2, 'id': got nothing"),
        ({"id": "b", "text": "a", "more": 1}, [], "wrong.jsonl, line 2: got the key 'more'"),
        ({"id": "b", "text": "a", "metadata": 3}, ["--metadata", '{"x": 1}'], "wrong.jsonl, line 2, 'metadata': got a"),
        ({"id": "b", "text": "a"}, ["--metadata", '{"x": NaN}'], "--metadata: got '{\"x\": NaN}', want a JSON object"),
        ({"id": "b", "text": "a"}, ["--metadata", '{"x": 1e999}'], "--metadata: cannot be written as JSON"),
    ],
)
def test_a_document_that_is_refused_is_named_by_its_file_and_line(
    command: Command,
    server: FakeReka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: dict[str, object],
    options: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "right.jsonl").write_text('{"id": "a", "text": "a", "metadata": {"y": 1}}\n')
    (tmp_path / "wrong.jsonl").write_text(f"\n{json.dumps(line)}\n")
    paths = ["wrong.jsonl"] if "1e999" in "".join(options) else ["right.jsonl", "wrong.jsonl"]

    outcome = command("datasets", "put", "notes", *paths, *options)

    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {said}")
    assert "documents[" not in outcome.err
    assert server.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["chat", "hi", "--dataset", "nope"],
        ["datasets", "search", "nope", "q"],
        ["datasets", "show", "nope"],
        ["datasets", "delete", "nope"],
        ["retrieval", "prepare", "nope"],
    ],
    ids=" ".join,
)
def test_an_unknown_dataset_says_once_where_the_names_are(command: Command, arguments: list[str]) -> None:
    outcome = command(*arguments, "--local")

    assert outcome.code == 5
    assert outcome.err.count("reka datasets list shows the datasets") == 1
    assert "GET /datasets" not in outcome.err


def test_a_model_that_the_server_lacks_is_named_with_the_option(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_MODEL", "nope")

    assert "(set --model or REKA_MODEL)" in command("chat", "--local", "hi").err
