"""Errors in the words of an assistant, which has tools, and of its user, who has commands: neither writes Python."""

from typing import Any, Final

from pydantic import ValidationError

import reka
from reka.cli import show, terms

LIST: Final = "list_datasets"
"""Name of the tool that lists datasets."""

_NO_KEY: Final = (
    "no API key: set REKA_API_KEY where `reka mcp` is started, as in `env` of the assistant's list of servers, or "
    "start `reka mcp --local`, which needs none"
)
_LISTING: Final = "GET /datasets lists"


def said(error: reka.RekaError) -> str:
    """Write an error of the client, or of its server."""
    text = show.one_line(str(error))
    if isinstance(error, reka.AuthError) and text.startswith("no API key"):
        return _NO_KEY
    return terms.in_commands(text.replace(_LISTING, f"the tool {LIST} lists"))


def said_of_arguments(error: ValidationError) -> str:
    """Write what is wrong with the arguments of a tool."""
    return "; ".join(map(_said_of_argument, error.errors(include_url=False, include_input=False)))


def _said_of_argument(problem: Any) -> str:
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"{place}: there is no such argument; the tool's schema has those that there are"
    return f"{place}: {terms.in_wants(problem['msg'])}"
