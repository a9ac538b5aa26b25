"""`reka models --long`: what the server says of each model."""

import json

import pytest

from reka.testing import FakeReka
from tests.support.command_line import Command

LISTED = {
    "data": [
        {
            "id": "m-1",
            "context_length": 16384,
            "input_modalities": ["text", "image"],
            "supported_features": ["tools"],
            "pricing": {"prompt": "0.0000002", "completion": "0.0000008"},
            "tokenizer": "unigram",
        },
        "m-\u001b[31m2",
    ]
}


def test_models_are_described_in_a_table(command: Command, server: FakeReka) -> None:
    server.will_answer(200, LISTED)

    heading, _, first, second = command("models", "--long").out.splitlines()

    assert heading.split() == ["model", "context", "output", "$/M", "in", "$/M", "out", "takes", "supports"]
    assert first.split() == ["m-1", "16,384", "0.2", "0.8", "text,", "image", "tools"]
    assert second.split() == ["m-2"]
    assert server.paths == ["GET /v1/models"]


def test_on_a_narrow_terminal_what_is_known_of_a_model_is_below_it(
    command: Command, server: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.will_answer(200, LISTED)
    monkeypatch.setenv("COLUMNS", "40")

    lines = command("models", "--long").out.splitlines()

    assert lines[:3] == ["m-1", "  context: 16,384", "  $/M in: 0.2"]
    assert lines[-1] == "m-2"


def test_as_json_every_field_is_there(command: Command, server: FakeReka) -> None:
    server.will_answer(200, LISTED)

    first, second = json.loads(command("models", "--long", "--json").out)

    assert (first["id"], first["context_length"], first["pricing"]["prompt"]) == ("m-1", 16384, 2e-7)
    assert first["extra"] == {"tokenizer": "unigram"}
    assert second["context_length"] is None
