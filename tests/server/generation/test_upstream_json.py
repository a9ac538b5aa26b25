import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reka.server.generation.upstream.lenient_json import read_json


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": [1, 2.5, "x", null, true]}', {"a": [1, 2.5, "x", None, True]}),
        (b'\xef\xbb\xbf"x"', "x"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"a\ud83d"', "a\ufffd"),
        (rb'"\uDE00a"', "\ufffda"),
        (rb'{"\ud800": "\\ud800"}', {"\ufffd": "\\ud800"}),
        (b'"\xff"', "\ufffd"),
        (b"[NaN, Infinity, -Infinity, 1e999, -1e999]", [None] * 5),
        ("1", 1),
    ],
    ids=ascii,
)
def test_what_strangers_write_is_read_as_every_reader_can(data: bytes | str, value: object) -> None:
    assert read_json(data) == value


@pytest.mark.parametrize("data", [b"", b"{", b"hello", b"[" * 100_000, b"1" * 10_000, b"{'a': 1}"], ids=lambda d: d[:9])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_json(data)


@given(
    st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(), lambda inner: st.lists(inner))
)
def test_json_of_any_text_comes_back(value: object) -> None:
    assert read_json(json.dumps(value)) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.text(st.characters(), min_size=1), st.booleans())
def test_whatever_is_read_can_be_written_as_utf_8(text: str, is_escaped: bool) -> None:
    data = json.dumps(text + "\ud800", ensure_ascii=is_escaped).encode("utf-8", "surrogatepass")

    read_json(data).encode("utf-8")
