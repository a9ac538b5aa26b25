"""Programs for the vendor's packages do their jobs with this package in its place, and with the vendor's, unchanged."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.peers import ROOT, peer_environment
from tests.support.processes import output_of

PROGRAMS: Final = Path(__file__).parent / "programs"
VENDORS: Final = {"sdk2": "reka-api==2.0.0", "sdk3": "reka-api==3.2.0"}
CASES: Final = [(sdk, path.name) for sdk in VENDORS for path in sorted((PROGRAMS / sdk).glob("*.py"))]


def _run(package: str, program: Path, *arguments: str, **variables: str) -> str:
    """Run a program with one package in the place of `reka`: `ours`, or the vendor's."""
    if package == "ours":
        return output_of(sys.executable, str(program), *arguments, PYTHONPATH=str(ROOT), **variables)
    return output_of(str(peer_environment(package)), "-I", str(program), *arguments, **variables)


def test_there_are_six_programs_for_each_package() -> None:
    assert {sdk: len([case for case in CASES if case[0] == sdk]) for sdk in VENDORS} == {"sdk2": 6, "sdk3": 6}


@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "the vendor's"])
@pytest.mark.parametrize(("sdk", "program"), CASES)
def test_a_program_does_its_job(rules_serve: tuple[str, str], sdk: str, program: str, is_ours: bool) -> None:
    url, key = rules_serve
    package = "ours" if is_ours else VENDORS[sdk]

    output = _run(package, PROGRAMS / sdk / program, REKA_SERVER=url, SERVER=url, REKA_API_KEY=key)

    assert output == "done\n"


def _differences(ours: Any, theirs: Any, place: str = "") -> set[str]:
    """Places where two documents differ: fields of one alone, types, and values other than ids.

    An error of ours may be of further classes, and have a reason where the vendor's has none.
    """
    if place.endswith(".classes"):
        return set() if set(theirs) <= set(ours) else {place}
    if place.endswith(".reason") and theirs is None:
        return set()
    if isinstance(ours, dict) and isinstance(theirs, dict):
        inside = [_differences(ours[name], theirs[name], f"{place}.{name}") for name in ours.keys() & theirs.keys()]
        return set().union({f"{place}.{name}" for name in ours.keys() ^ theirs.keys()}, *inside)
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return set().union(*(_differences(one, other, place) for one, other in zip(ours, theirs, strict=True)))
    is_same = type(ours) is type(theirs) and (ours == theirs or place.endswith(".id"))
    return set() if is_same else {place}


@pytest.mark.parametrize("sdk", VENDORS)
def test_every_public_call_gives_the_same_fields(rules_serve: tuple[str, str], sdk: str, alice: Path) -> None:
    url, key = rules_serve
    program = PROGRAMS / f"calls_of_{sdk}.py"
    ours, theirs = (
        json.loads(_run(package, program, str(alice), REKA_SERVER=url, SERVER=url, REKA_API_KEY=key))
        for package in ("ours", VENDORS[sdk])
    )

    table = {call: sorted(_differences(ours.get(call), theirs[call])) for call in theirs}

    for call, places in table.items():
        print(f"{VENDORS[sdk]} | {call} | {', '.join(places) or 'the same'}")  # the table: pytest -s
    assert ours.keys() == theirs.keys()
    assert {call: places for call, places in table.items() if places} == OTHER_WORDS[sdk]


OTHER_WORDS: Final[dict[str, dict[str, list[str]]]] = {
    "sdk2": {key: [".reason"] for key in ("chat, empty", "chat, wrong order", "chat, no key")},
    "sdk3": {},
}
"""Errors that the client finds itself say in their own words what is wrong."""
