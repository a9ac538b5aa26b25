"""What the package brings along, and what it promises."""

import re
from importlib.metadata import requires
from types import FunctionType, MethodType
from typing import get_origin

import reka


def test_the_client_alone_needs_a_handful_of_well_known_packages() -> None:
    needed = [line for line in requires("reka") or [] if "extra ==" not in line]

    assert {re.split(r"[<>=!~;\[ ]", line)[0] for line in needed} == {
        "aiohttp",
        "certifi",
        "charset-normalizer",
        "filetype",
        "pydantic",
        "requests",
        "typing-extensions",
        "urllib3",
        "yarl",
    }


def test_every_public_name_says_what_it_is() -> None:
    undocumented = [
        name
        for name in reka.__all__
        if isinstance(thing := getattr(reka, name), type | FunctionType | MethodType)
        and get_origin(thing) is None  # Python 3.10 takes the alias of a Callable for a type
        and not thing.__doc__
    ]

    assert undocumented == []
