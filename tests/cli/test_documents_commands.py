"""`reka datasets show | documents | put | rm | search | export`, and `reka chat --filter`."""

import json
from pathlib import Path
from typing import Any

import pytest

from reka.testing import FakeReka
from tests.support.command_line import Command

ABOUT: dict[str, object] = {"features": ["documents"]}
INFO = {"name": "notes", "state": "prepared", "documents": 2, "chunks": 3, "size_bytes": 20, "embedder": None, "x": 1}
LISTED = {"id": "a", "source": "book", "metadata": {"lang": "dé"}, "size_bytes": 1100, "chunks": 1, "digest": "d"}
PUT: dict[str, object] = {"added": 1200, "replaced": 1, "unchanged": 0, "job_id": "j"}
COMPLETE = {"job_status": "COMPLETE", "detail": "", "history": []}
CHUNK = {"id": "c", "text": "Oh\x1b[2J dear!", "source": "bo\x07ok", "score": 0.912, "metadata": {}}
FILTER = {"lang": {"$in": ["de"]}}


@pytest.fixture
def server(server: FakeReka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeReka:
    """A scripted server with documents; the command runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    server.will_answer(200, ABOUT)
    return server


def _sent(server: FakeReka) -> list[Any]:
    return [json.loads(line) for line in server.requests[1].body.splitlines()]


def test_show_describes_a_dataset(server: FakeReka, command: Command) -> None:
    server.will_answer(200, INFO | {"description": "my\x1b]0;evil\x07 notes"})

    outcome = command("datasets", "show", "notes")

    assert outcome.code == 0
    assert outcome.out == (
        "notes\n  state       prepared\n  documents   2\n  chunks      3\n  size_bytes  20\n  description my notes\n"
    )


def test_show_has_all_fields_as_json(server: FakeReka, command: Command) -> None:
    server.will_answer(200, INFO)

    assert command("datasets", "show", "notes", "--json").json == INFO


def test_documents_are_listed_one_per_line(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"documents": [LISTED], "next": "a"})
    server.will_answer(200, {"documents": [LISTED | {"id": "b\nc", "source": "b\nc", "metadata": {}}], "next": None})

    outcome = command("datasets", "documents", "notes")

    assert outcome.out == 'a  book 1,100 bytes 1 chunk {"lang": "dé"}\nb c  1,100 bytes 1 chunk\n'
    assert outcome.err == ""


def test_files_that_are_not_prepared_are_listed(server: FakeReka, command: Command) -> None:
    stored = LISTED | {"id": "a.txt", "source": "a.txt", "metadata": {}, "chunks": 0, "digest": None}
    server.will_answer(200, {"documents": [stored], "next": None})

    assert command("datasets", "documents", "notes").out == "a.txt  1,100 bytes 0 chunks\n"


def test_documents_as_json_are_one_array(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"documents": [LISTED], "next": None})

    assert command("datasets", "documents", "notes", "--json").json == [LISTED]


def test_a_dataset_without_documents_says_how_to_put_some(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"documents": [], "next": None})

    outcome = command("datasets", "documents", "notes")

    assert (outcome.code, outcome.out) == (0, "")
    assert "reka datasets put NAME PATH" in outcome.err


def test_files_folders_and_lines_are_put_and_waited_for(server: FakeReka, command: Command) -> None:
    Path("one.txt").write_bytes(b"\xef\xbb\xbfOne")
    Path("folder/deep").mkdir(parents=True)
    Path("folder/deep/two.md").write_text("Two")
    Path("folder/empty.txt").write_text("\n")
    Path("folder/.hidden").write_text("secret")
    Path("folder/link.txt").symlink_to("/etc/hostname")
    own = {"metadata": {"lang": "fr"}}
    Path("more.jsonl").write_text(json.dumps({"id": "3", "text": "Three"} | own) + '\n\n{"id": "4", "text": "4"}')
    server.will_answer(200, PUT)
    server.will_answer(200, COMPLETE)

    outcome = command("datasets", "put", "notes", "more.jsonl", "one.txt", "folder", "--metadata", '{"lang": "de"}')

    german = {"metadata": {"lang": "de"}}
    assert _sent(server) == [
        {"id": "one.txt", "text": "One"} | german,
        {"id": "deep/two.md", "text": "Two"} | german,
        {"id": "3", "text": "Three"} | own,
        {"id": "4", "text": "4"} | german,
    ]
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "left out: empty.txt has no text\n✓ notes  1,200 added, 1 replaced, 0 unchanged\n"
    assert server.paths[1:] == ["PUT /datasets/notes/documents", "GET /jobs/prepare-retrieval/j/status"]


def test_lines_are_read_from_standard_input_and_the_job_need_not_be_waited_for(
    server: FakeReka, command: Command
) -> None:
    server.will_answer(200, PUT)

    outcome = command("datasets", "put", "notes", "-", "--no-wait", stdin='{"id": "3", "text": "Three"}\n')

    assert _sent(server) == [{"id": "3", "text": "Three"}]
    assert outcome.err.endswith("0 unchanged; job j: reka retrieval status j --wait\n")
    assert len(server.requests) == 2


def test_put_as_json_is_what_the_server_says(server: FakeReka, command: Command) -> None:
    server.will_answer(200, PUT | {"job_id": None})

    outcome = command("datasets", "put", "notes", "-", "--json", stdin='{"id": "3", "text": "Three"}')

    assert outcome.json == PUT | {"job_id": None}
    assert outcome.err == ""


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["missing.txt"], "", "'missing.txt' does not exist"),
        (["empty"], "", "'empty' has no files in it"),
        (["sub", "picture.png"], "", "1 of 2 files cannot be documents: 'picture.png' is an image"),
        (["missing.jsonl"], "", "'missing.jsonl' is no file"),
        (["a.txt", "sub/a.txt"], "", "two files are named 'a.txt'"),
        (["-"], '\n{"id": 1', "standard input, line 2: got '{\"id\": 1', want a JSON object"),
        (["-"], "[1]", "standard input, line 1: got '[1]', want a JSON object"),
        (["-"], '{"id": "1"}', "standard input, line 1, 'text': got nothing"),
        (["-"], '{"id": "1", "text": "x", "metadata": [1]}', "standard input, line 1, 'metadata': got a list"),
        (["latin.jsonl"], "", "latin.jsonl is not UTF-8 text"),
        (["a.txt", "--metadata", "lang=de"], "", "--metadata: got 'lang=de', want a JSON object"),
        ([], "", "PATH"),
    ],
)
def test_what_cannot_be_put_is_a_usage_error(
    server: FakeReka, command: Command, arguments: list[str], stdin: str, message: str
) -> None:
    Path("sub").mkdir()
    Path("empty").mkdir()
    for file in ("a.txt", "sub/a.txt"):
        Path(file).write_text("text")
    Path("picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    Path("latin.jsonl").write_bytes(b'{"id": "\xe4"}')

    outcome = command("datasets", "put", "notes", *arguments, stdin=stdin)

    assert outcome.code == 2
    assert message in outcome.err
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "selection"),
    [(["a", "b"], {"ids": ["a", "b"]}), (["--filter", json.dumps(FILTER)], {"filter": FILTER})],
)
def test_documents_are_deleted_by_id_or_filter(
    server: FakeReka, command: Command, arguments: list[str], selection: dict[str, Any]
) -> None:
    server.will_answer(200, {"deleted": 2, "job_id": "j"})
    server.will_answer(200, COMPLETE)

    outcome = command("datasets", "rm", "notes", *arguments)

    assert (outcome.code, outcome.out, outcome.err) == (0, "", "✓ notes  2 deleted\n")
    assert server.requests[1].json == selection


def test_rm_as_json_is_what_the_server_says(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"deleted": 0, "job_id": None})

    assert command("datasets", "rm", "notes", "a", "--json").json == {"deleted": 0, "job_id": None}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "want ids of documents, or --filter; reka datasets delete deletes the whole dataset"),
        (["a", "--filter", "{}"], "want ids of documents, or --filter"),
        (["--filter", "{}"], "`reka datasets delete NAME` deletes them all"),
        (["--filter", "lang"], "--filter: got 'lang', want a JSON object"),
        (["--filter", '{"a": {"$x": 1}}'], "filter['a']: got the operator '$x'"),
    ],
)
def test_rm_of_nothing_and_of_everything_is_a_usage_error(
    server: FakeReka, command: Command, arguments: list[str], message: str
) -> None:
    outcome = command("datasets", "rm", "notes", *arguments)

    assert outcome.code == 2
    assert message in outcome.err
    assert server.requests == []


def test_search_shows_score_source_and_text_without_control_characters(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"retrieved_chunks": [CHUNK]})

    outcome = command(
        "datasets", "search", "notes", "Who?", "-k", "3", "--filter", json.dumps(FILTER), "--mode", "keyword"
    )

    assert outcome.code == 0
    assert outcome.out.splitlines()[-1].split() == ["0.912", "book", "Oh", "dear!"]
    assert server.requests[1].json == {"query": "Who?", "k": 3, "mode": "keyword", "filter": FILTER}


def test_search_as_json_has_all_fields(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"retrieved_chunks": [CHUNK]})

    assert command("datasets", "search", "notes", "Who?", "--json").json == [CHUNK]


def test_a_mode_that_is_none_is_a_usage_error(server: FakeReka, command: Command) -> None:
    outcome = command("datasets", "search", "notes", "Who?", "--mode", "fuzzy")

    assert (outcome.code, server.requests) == (2, [])
    assert "mode: got 'fuzzy', want one of" in outcome.err


@pytest.mark.parametrize(("arguments", "file"), [([], "notes.zip"), (["other.zip"], "other.zip")])
def test_export_writes_a_zip(server: FakeReka, command: Command, arguments: list[str], file: str) -> None:
    server.will_answer(200, b"PK", {"Content-Type": "application/zip"})

    outcome = command("datasets", "export", "notes", *arguments)

    assert (outcome.code, outcome.out, outcome.err) == (0, "", f"✓ {file}  2 bytes\n")
    assert Path(file).read_bytes() == b"PK"


def test_export_as_json_has_the_path(server: FakeReka, command: Command) -> None:
    server.will_answer(200, b"PK", {"Content-Type": "application/zip"})

    outcome = command("datasets", "export", "notes", "--json")

    assert outcome.json == {"name": "notes", "path": "notes.zip", "size_bytes": 2}


@pytest.mark.parametrize("name", ["show", "documents", "rm", "search", "export", "put"])
def test_a_server_without_documents_is_a_clear_error(server: FakeReka, command: Command, name: str) -> None:
    server.next_script()
    server.will_answer(200, {"features": []})
    arguments = {"rm": ["a"], "put": ["-"], "search": ["Who?", "--mode", "vector"]}

    outcome = command("datasets", name, "notes", *arguments.get(name, []), stdin='{"id": "3", "text": "Three"}')

    assert outcome.code == 1
    assert "--datasets local" in outcome.err
    assert "_dataset" not in outcome.err
    assert "_documents" not in outcome.err
    assert server.paths == ["GET /"]


def test_a_chat_is_filtered(server: FakeReka, command: Command) -> None:
    server.will_answer(200, {"type": "model", "text": "Hi", "retrieved_chunks": []})

    outcome = command("chat", "Who?", "--dataset", "notes", "--filter", json.dumps(FILTER))

    assert outcome.code == 0
    assert server.requests[1].json["retrieval_filter"] == FILTER
