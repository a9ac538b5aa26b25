"""Server-sent events are decoded as the WHATWG's HTML standard says, wherever the bytes are cut, and at the end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reka._protocol.sse import ServerSentEvent, SseDecoder

TABLE = [
    pytest.param(b"data: a\n\n", [("a", "message")], id="lf"),
    pytest.param(b"data: a\r\r", [("a", "message")], id="cr"),
    pytest.param(b"data: a\r\n\r\n", [("a", "message")], id="crlf"),
    pytest.param(b"data: a\r\n\rdata: b\n\r\n", [("a", "message"), ("b", "message")], id="all-line-ends"),
    pytest.param(b"data:a\n\n", [("a", "message")], id="no-space"),
    pytest.param(b"data:  a \n\n", [(" a ", "message")], id="one-space-is-taken"),
    pytest.param(b"data:\ta\n\n", [("\ta", "message")], id="a-tab-is-not"),
    pytest.param(b"data: a\ndata: b\ndata\n\n", [("a\nb\n", "message")], id="several-lines"),
    pytest.param(b"data\n\n", [("", "message")], id="empty-data"),
    pytest.param(b"data:\n\n", [("", "message")], id="empty-data-with-colon"),
    pytest.param(b"\n\n\r\n", [], id="no-data"),
    pytest.param(b": ping\n\n", [], id="comment-alone"),
    pytest.param(b":\n: a\ndata: b\n:c\n\n", [("b", "message")], id="comments-between"),
    pytest.param(b"event: error\ndata: a\n\n", [("a", "error")], id="type"),
    pytest.param(b"event:\ndata: a\n\n", [("a", "message")], id="empty-type"),
    pytest.param(b"event: x\n\ndata: a\n\n", [("a", "message")], id="a-type-ends-with-its-event"),
    pytest.param(b"event: x\nevent: y\ndata: a\n\n", [("a", "y")], id="the-last-type-counts"),
    pytest.param(b"id: 7\ndata: a\n\ndata: b\n\n", [("a", "message"), ("b", "message")], id="id"),
    pytest.param(b"retry: 10\ndata: a\n\n", [("a", "message")], id="retry"),
    pytest.param(b"Data: a\n data: b\nother: c\n\n", [], id="unknown-fields"),
    pytest.param(b"\xef\xbb\xbfdata: a\n\n", [("a", "message")], id="bom"),
    pytest.param(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [("b", "message")], id="only-one-bom"),
    pytest.param(b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("a", "message")], id="no-bom-later"),
    pytest.param(b"data: a\n", [], id="no-empty-line-at-the-end"),
    pytest.param(b"data: a\n\ndata: b", [("a", "message")], id="a-last-event-that-is-cut-off"),
    pytest.param("data: ä€😀\n\n".encode(), [("ä€😀", "message")], id="utf-8"),
    pytest.param("data: a\u2028b\x0bc\x85\n\n".encode(), [("a\u2028b\x0bc\x85", "message")], id="no-line-ends"),
    pytest.param(b"data: \xff\n\n", [("\ufffd", "message")], id="not-utf-8"),
    pytest.param(b"data: a: b\n\n", [("a: b", "message")], id="a-colon-in-the-data"),
    pytest.param(b"data: a\0b\n\n", [("a\0b", "message")], id="null-in-the-data"),
    pytest.param(b"", [], id="nothing"),
]

_LINES = st.sampled_from(
    [b"data: a", b"data", "data: ä€😀".encode(), b"event: x", b"id: 7", b": comment", b"", b"retry: 1", b"\xff\xfe"]
)
_STREAMS = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
    st.lists(st.tuples(_LINES, st.sampled_from([b"\n", b"\r", b"\r\n"])).map(b"".join)).map(b"".join),
).map(b"".join)


def _decoded(pieces: list[bytes]) -> list[ServerSentEvent]:
    decoder = SseDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


@pytest.mark.parametrize(("stream", "events"), TABLE)
def test_a_stream_means_what_the_standard_says(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert _decoded([stream]) == [ServerSentEvent(*event) for event in events]


@pytest.mark.parametrize(("stream", "events"), TABLE)
def test_a_stream_cut_at_any_one_byte_or_at_all_of_them_means_the_same(
    stream: bytes, events: list[tuple[str, str]]
) -> None:
    expected = [ServerSentEvent(*event) for event in events]

    assert _decoded([bytes([byte]) for byte in stream]) == expected
    for place in range(len(stream) + 1):
        assert _decoded([stream[:place], b"", stream[place:]]) == expected


@given(stream=_STREAMS | st.binary(max_size=60), data=st.data())
def test_any_stream_cut_anywhere_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(stream))).map(sorted))
    cuts = [0, *places, len(stream)]

    assert _decoded([stream[start:end] for start, end in pairwise(cuts)]) == _decoded([stream])


@pytest.mark.parametrize(
    ("stream", "last"),
    [
        pytest.param(b'data: {"a": 1}\n', ServerSentEvent('{"a": 1}'), id="no-empty-line"),
        pytest.param(b'data: {"a": 1}', ServerSentEvent('{"a": 1}'), id="no-line-end"),
        pytest.param(b'data:{"a": 1}\r', ServerSentEvent('{"a": 1}'), id="half-a-line-end"),
        pytest.param(b'data: {"a":\r\ndata: 1}\r\n', ServerSentEvent('{"a":\n1}'), id="several-lines"),
        pytest.param(b'event: error\ndata: {"a": 1}', ServerSentEvent('{"a": 1}', "error"), id="type"),
        pytest.param(b"data: b\n\ndata: [DONE]", ServerSentEvent("[DONE]"), id="done"),
        pytest.param(b"data: [DONE]\n\n", None, id="nothing-is-left"),
        pytest.param(b"", None, id="nothing-at-all"),
        pytest.param(b'data: {"a": 1', None, id="cut-in-an-object"),
        pytest.param(b'data: {"a": "\xc3', None, id="cut-in-a-character"),
        pytest.param(b"data: [DON", None, id="cut-in-done"),
        pytest.param(b"data: 12", None, id="a-number-may-be-cut"),
        pytest.param(b"data", None, id="cut-in-the-field"),
        pytest.param(b": ping", None, id="a-comment"),
        pytest.param(b"event: error\n", None, id="a-type-alone"),
        pytest.param(b"\xef\xbb", None, id="cut-in-the-bom"),
        pytest.param(b"data: " + b"[" * 100_000, None, id="deep"),
    ],
)
def test_at_the_end_of_the_stream_an_event_needs_no_empty_line_if_its_data_is_whole(
    stream: bytes, last: ServerSentEvent | None
) -> None:
    decoder = SseDecoder()
    decoder.feed(stream)

    assert decoder.finish() == last


def test_an_event_is_given_as_soon_as_its_empty_line_is_there() -> None:
    decoder = SseDecoder()

    assert decoder.feed(b"data: a\r\n") == []
    assert decoder.feed(b"\r") == [ServerSentEvent("a")]
    assert decoder.feed(b"\ndata: b\n\n") == [ServerSentEvent("b")]


def test_a_long_line_in_many_pieces_takes_time_in_proportion_to_its_length() -> None:
    # 4 MiB in pieces of 16 bytes: looking at each piece once is a matter of a tenth of a second, and looking at the
    # whole line again at each piece one of half an hour.
    decoder = SseDecoder()
    decoder.feed(b"data: ")

    for _ in range(2**18):
        assert decoder.feed(b"0123456789abcdef") == []

    (event,) = decoder.feed(b"\n\n")
    assert len(event.data) == 2**22
