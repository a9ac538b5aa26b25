"""Shapes of answers: what fits gives nothing, what does not is named by its place."""

from typing import Any

import pytest

from reka._wire.shapes import BOOLEAN, LIST, OBJECT, STRING, Shape, any_of, list_of, object_with, optional

DATASET = object_with(name=STRING, ok=BOOLEAN)


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (STRING, ""),
        (LIST, []),
        (OBJECT, {}),
        (any_of(list, dict), {}),
        (optional(STRING), None),
        (list_of(STRING), ["a", "b"]),
        (DATASET, {"name": "a", "ok": False, "more": 1}),
        (object_with(detail=optional(STRING)), {}),
        (object_with(history=optional(list_of(OBJECT))), {"history": [{}]}),
    ],
)
def test_a_value_that_fits_has_no_misfit(shape: Shape, value: Any) -> None:
    assert shape(value) == ""


@pytest.mark.parametrize(
    ("shape", "value", "misfit"),
    [
        (STRING, 7, "a number, want a string"),
        (STRING, None, "nothing, want a string"),
        (STRING, True, "a boolean, want a string"),
        (BOOLEAN, 1, "a number, want a boolean"),
        (any_of(list, dict), "a", "a string, want a list or an object"),
        (optional(STRING), [], "a list, want a string"),
        (list_of(STRING), {}, "an object, want a list"),
        (list_of(STRING), ["a", 1.5], "1: a number, want a string"),
        (DATASET, ["name"], "a list, want an object"),
        (DATASET, {"ok": True}, "name: nothing, want a string"),
        (object_with(history=list_of(OBJECT)), {"history": [{}, "x"]}, "history: 1: a string, want an object"),
    ],
)
def test_a_misfit_names_its_place_what_is_there_and_what_is_wanted(shape: Shape, value: Any, misfit: str) -> None:
    assert shape(value) == misfit
