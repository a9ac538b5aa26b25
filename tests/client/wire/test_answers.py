"""What answers hold, whole and streamed."""

import pytest

from tests.support.clients import KEY, Connect
from tests.support.completions import HI
from tests.support.fake_reka import FakeReka


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(rb'{"text": "a\ud800b"}', "a\ufffdb", id="lone"),
        pytest.param(rb'{"text": "\uD83D\uDE00"}', "😀", id="a-pair"),
        pytest.param(rb'{"text": "\uDE00\uD83D"}', "\ufffd\ufffd", id="the-wrong-way-round"),
        pytest.param(rb'{"text": "a\\ud800"}', r"a\ud800", id="an-escaped-escape"),
        pytest.param(b'{"text": "a\xed\xa0\x80b"}', "a\ufffd\ufffd\ufffdb", id="bytes"),
        pytest.param('{"text": "aä"}'.encode("utf-8-sig"), "aä", id="byte-order-mark"),
    ],
)
def test_text_that_utf_8_cannot_hold_is_readable(connect: Connect, fake: FakeReka, body: bytes, text: str) -> None:
    streamed = body.removeprefix(b"\xef\xbb\xbf").replace(b'"text"', b'"content"')
    fake.will_answer(200, body, {"Content-Type": "application/json"})
    fake.will_answer(200, b'{"choices": [{"message": %b}]}' % streamed, {"Content-Type": "application/json"})
    fake.will_stream(b'data: {"choices": [{"delta": %b, "finish_reason": "stop"}]}\n\n' % streamed)

    with connect(KEY, fake.url, api="v0") as v0, connect(KEY, fake.url, api="v1") as v1:
        answers = [v0.chat("Hi")["text"], v1.complete(HI).text, "".join(event.text for event in v1.stream("Hi"))]

    assert answers == [text] * 3
    assert text.encode()
