"""Tool calls in streams, in every way that servers tell one call from the next."""

from typing import Any

import pytest

import reka
from reka._wire.tool_calls import ToolCallStream
from reka.testing import FakeReka
from reka.testing.bodies import chunk, events
from tests.support.completions import HI

CITY, TIME = '{"city": "Ulm"}', '{"zone": "CET"}'


def part(
    index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: Any = None
) -> dict[str, Any]:
    """A delta of a tool call, with the fields that are set."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields = {"index": index, "id": call_id, "function": function}
    return {key: value for key, value in fields.items() if value is not None}


def put_together(deltas: list[reka.ToolCallDelta]) -> list[tuple[str, str, str]]:
    """Id, name and arguments of each call, as the documentation of `ToolCallDelta` says."""
    calls: dict[int, list[str]] = {}
    for delta in deltas:
        call = calls.setdefault(delta.index, ["", "", ""])
        for place, text in enumerate((delta.id, delta.name, delta.arguments)):
            call[place] += text
    return [(call_id, name, arguments) for _, (call_id, name, arguments) in sorted(calls.items())]


WEATHER, CLOCK = ("a", "weather", CITY), ("b", "time", TIME)


@pytest.mark.parametrize(
    ("chunks", "calls"),
    [
        pytest.param(
            [
                [part(0, "a", "weather", "")],
                [part(0, arguments='{"city":')],
                [part(1, "b", "time", "")],
                [part(1, arguments=TIME)],
                [part(0, arguments=' "Ulm"}')],
            ],
            [WEATHER, CLOCK],
            id="by-index-and-interleaved",
        ),
        pytest.param(
            [[part(0, "a", "weather"), part(1, "b", "time")], [part(1, arguments=TIME), part(0, arguments=CITY)]],
            [WEATHER, CLOCK],
            id="several-in-a-chunk",
        ),
        pytest.param(
            [
                [part(None, "a", "weather", "")],
                [part(arguments='{"city":')],
                [part(arguments=' "Ulm"}')],
                [part(None, "b", "time", "")],
                [part(arguments=TIME)],
            ],
            [WEATHER, CLOCK],
            id="by-id-and-no-id-goes-on-with-the-last",
        ),
        pytest.param(
            [
                [part(None, "a", "weather", '{"city":')],
                [part(None, "b", "time", '{"zone":')],
                [part(None, "a", None, ' "Ulm"}')],
                [part(None, "b", None, ' "CET"}')],
            ],
            [WEATHER, CLOCK],
            id="by-id-and-interleaved",
        ),
        pytest.param(
            [[part(None, "a", "weather", CITY), part(None, "b", "time", TIME)]], [WEATHER, CLOCK], id="whole-by-id"
        ),
        pytest.param(
            [[part(0, "a", "weather", CITY)], [part(0, "b", "time", TIME)]], [WEATHER, CLOCK], id="whole-and-all-at-0"
        ),
        pytest.param(
            [
                [part(0, "a", "weather", "")],
                [part(0, arguments=CITY)],
                [part(0, "b", "time", "")],
                [part(0, arguments=TIME)],
                [part(1, "c", "now", "{}")],
            ],
            [WEATHER, CLOCK, ("c", "now", "{}")],
            id="all-at-0-in-parts",
        ),
        pytest.param(
            [[part(0, "a", "weather", "")], [part(0, "a2", None, '{"city":')], [part(0, "a3", None, ' "Ulm"}')]],
            [WEATHER],
            id="a-new-id-with-each-part-of-an-index",
        ),
        pytest.param(
            [[part(0, "a", "weather", '{"city":')], [part(0, "a", "weather", ' "Ulm"}')]],
            [WEATHER],
            id="id-and-name-again-with-each-part",
        ),
        pytest.param(
            [[part(None, None, "weather", '{"city":')], [part(None, None, "weather", ' "Ulm"}')]],
            [("", "weather", CITY)],
            id="the-name-again-and-nothing-else",
        ),
        pytest.param(
            [[part(name="weather", arguments=CITY)], [part(name="time", arguments=TIME)]],
            [("", "weather", CITY), ("", "time", TIME)],
            id="by-name",
        ),
        pytest.param(
            [[part(name="weather", arguments={"city": "Ulm"})], [part(name="weather", arguments={"city": "Bonn"})]],
            [("", "weather", CITY), ("", "weather", '{"city": "Bonn"}')],
            id="whole-by-name-and-the-name-is-the-same",
        ),
        pytest.param([[part(0, "a", "weather", {"city": "Ulm"})]], [WEATHER], id="arguments-as-an-object"),
        pytest.param([[{"id": "a", "name": "weather", "parameters": {"city": "Ulm"}}]], [WEATHER], id="flat"),
        pytest.param([[part(0, None, "weather", "")], [part(0, "a", None, CITY)]], [WEATHER], id="the-id-comes-later"),
        pytest.param([[part(3, "a", "weather", CITY)]], [WEATHER], id="begins-at-another-index"),
        pytest.param([[part(arguments=CITY)]], [("", "", CITY)], id="arguments-alone"),
        pytest.param(["x", [None, 7]], [], id="no-calls"),
    ],
)
def test_parts_are_put_to_their_calls(chunks: list[Any], calls: list[tuple[str, str, str]]) -> None:
    stream = ToolCallStream()

    assert put_together([delta for parts in chunks for delta in stream.read(parts)]) == calls


def test_parts_are_given_as_they_come(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_stream(
        events(
            chunk(role="assistant", content=None, tool_calls=[part(0, "a", "weather", "")]),
            chunk(tool_calls=[part(0, "a", "weather", '{"city":'), part(1, "b", "time", TIME)]),
            chunk("tool_calls", tool_calls=[part(0, arguments=' "Ulm"}')]),
        )
    )

    assert list(client.stream_messages(HI)) == [
        reka.ToolCallDelta(0, "a", "weather", ""),
        reka.ToolCallDelta(0, "", "", '{"city":'),
        reka.ToolCallDelta(1, "b", "time", TIME),
        reka.ToolCallDelta(0, "", "", ' "Ulm"}'),
        reka.Finish("tool_calls", "reka-flash", "c-1"),
    ]


def test_a_whole_message_at_the_end_gives_nothing_again(client: reka.Reka, fake: FakeReka) -> None:
    citation = {"type": "url_citation", "url_citation": {"url": "https://x"}}
    message = {
        "content": "Hello!",
        "reasoning": "Hm.",
        "annotations": [citation, {"type": "url_citation", "url_citation": {"url": "https://y"}}],
        "tool_calls": [part(None, "a", "weather", {"city": "Ulm"}), part(None, "b", "time", TIME)],
        "refusal": None,
    }
    fake.will_stream(
        events(
            chunk(reasoning="Hm."),
            chunk(content="Hello", annotations=[citation]),
            chunk(tool_calls=[part(0, "a", "weather", '{"city":"Ulm"}')]),
            {"choices": [{"message": message, "finish_reason": "tool_calls"}]},
        )
    )

    assert list(client.stream_messages(HI)) == [
        reka.ReasoningDelta("Hm."),
        reka.TextDelta("Hello"),
        reka.Citation("https://x"),
        reka.ToolCallDelta(0, "a", "weather", '{"city":"Ulm"}'),
        reka.TextDelta("!"),
        reka.ToolCallDelta(1, "b", "time", TIME),
        reka.Citation("https://y"),
        reka.Finish("tool_calls", "reka-flash", "c-1"),
    ]


def test_calls_so_far_give_only_what_is_new() -> None:
    stream = ToolCallStream()
    chunks = [
        [part(name="weather", arguments='{"city":')],
        [part(name="weather", arguments=CITY)],
        [part(name="weather", arguments=CITY), part(name="time", arguments=TIME)],
        [part(name="weather", arguments=CITY), part(name="time", arguments=TIME)],
    ]

    assert [stream.read_so_far(parts) for parts in chunks] == [
        [reka.ToolCallDelta(0, "", "weather", '{"city":')],
        [reka.ToolCallDelta(0, "", "", ' "Ulm"}')],
        [reka.ToolCallDelta(1, "", "time", TIME)],
        [],
    ]
