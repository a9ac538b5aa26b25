"""What servers write differently in streams: it reaches a caller in the one form that OpenAI's API has."""

import json

import pytest

from tests.support.caller import Caller
from tests.support.fake_reka import FakeReka
from tests.support.protocols import completion_text, event_data, post_completion
from tests.support.streams import chunk, events

ENDINGS: dict[str, bytes] = {
    "no [DONE]": events(chunk(content="Hi"), chunk("stop")),
    "no last empty line": events(chunk(content="Hi"), chunk("stop")).removesuffix(b"\n"),
    "no last line end": events(chunk(content="Hi"), chunk("stop")).removesuffix(b"\n\n"),
    "no empty line behind [DONE]": events(chunk(content="Hi")) + b"data: [DONE]\n",
    "half a [DONE]": events(chunk(content="Hi"), chunk("stop")) + b"data: [DO",
}


@pytest.mark.parametrize("body", ENDINGS.values(), ids=ENDINGS)
def test_a_stream_that_has_its_finish_has_ended(proxy: Caller, upstream: FakeReka, body: bytes) -> None:
    upstream.will_stream(body)

    assert completion_text(post_completion(proxy, "Hi", stream=True), stream=True) == ("Hi", "stop")


@pytest.mark.parametrize("rest", [b"", b'data: {"choi', b'data: {"choices": [{"delta": {"content": "!"}}]}'])
def test_a_stream_without_its_finish_has_not(proxy: Caller, upstream: FakeReka, rest: bytes) -> None:
    upstream.will_stream(events(chunk(content="Hi")) + rest)

    *_, last = event_data(post_completion(proxy, "Hi", stream=True))

    assert "before it was complete" in json.loads(last)["error"]["message"]
