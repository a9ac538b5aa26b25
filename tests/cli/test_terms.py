"""Messages of the client, in the words of the command line."""

import inspect

import pytest

import reka
from reka.cli.terms import in_commands, in_options


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("random_seed: got 'x', want an integer", "--seed: got 'x', want an integer"),
        ("media_url, media_filename: got both, want one of them", "--media: got both, want one of them"),
        ("unknown: stays", "unknown: stays"),
        ("a message without a colon", "a message without a colon"),
        (
            'h has no datasets; set datasets="local" (or REKA_DATASETS=local)',
            "h has no datasets; set --datasets local (or REKA_DATASETS=local)",
        ),
    ],
)
def test_arguments_are_named_by_their_options(message: str, shown: str) -> None:
    assert in_options(message) == shown


def test_a_call_is_shown_as_the_command_that_does_the_same() -> None:
    message = "Dataset 'b' is not prepared: call prepare_retrieval('b'), wait until its job is COMPLETE, then try again"

    assert in_commands(message) == "Dataset 'b' is not prepared: run `reka retrieval prepare b`, then try again"


def test_what_a_server_says_of_its_fields_stays_as_it_is() -> None:
    assert in_commands("model_name: unknown") == "model_name: unknown"


@pytest.mark.parametrize(
    "argument", sorted(set(inspect.signature(reka.Reka.chat).parameters) - {"self", "extra_request_args"})
)
def test_no_argument_of_chat_is_shown_by_its_name_in_python(argument: str) -> None:
    assert in_options(f"{argument}: wrong").startswith(("--", "QUESTION", "the conversation"))
