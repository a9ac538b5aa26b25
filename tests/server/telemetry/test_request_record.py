"""The id and the trace of a request: what is kept of its headers, and where it goes on."""

import logging
import re

import pytest

from reka.server.telemetry.request_record import (
    add_request_id,
    begin_record,
    current_record,
    end_record,
    new_record,
)
from reka.testing import FakeReka
from tests.support.servers import Call, Start

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
ANSWER = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "given", ["a", "7b1e-44", "Root=1-67891233-abcdef012345", "a" * 128, "ab/c+d==", "urn:uuid:1.2_3"]
)
def test_the_id_of_a_caller_is_kept(given: str) -> None:
    record = new_record([(b"accept", b"*/*"), (b"x-request-id", given.encode())])

    assert record.id == record.outgoing["x-request-id"] == given


@pytest.mark.parametrize(
    "given", [b"", b"a b", b"a\nb", b"a\r\nset-cookie: b", b'a"b', b"<b>", b"a;b", "ä".encode(), b"\x1b[2J", b"a" * 129]
)
def test_an_id_that_could_break_a_log_is_replaced(given: bytes) -> None:
    record = new_record([(b"x-request-id", given)])

    assert re.fullmatch("[0-9a-f]{32}", record.id)


def test_the_trace_of_a_caller_is_kept_and_goes_on() -> None:
    record = new_record([(b"traceparent", PARENT.encode()), (b"tracestate", b"vendor=1")])

    assert record.trace_id == TRACE
    assert record.outgoing == {"x-request-id": record.id, "traceparent": PARENT, "tracestate": "vendor=1"}


@pytest.mark.parametrize(
    "given",
    [
        "",
        TRACE,
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"{PARENT}-more",
    ],
)
def test_a_trace_of_another_form_is_ignored(given: str) -> None:
    record = new_record([(b"traceparent", given.encode()), (b"tracestate", b"vendor=1")])

    assert record.trace_id is None
    assert list(record.outgoing) == ["x-request-id"]


def test_a_log_record_names_the_request_that_it_is_about() -> None:
    about, beside = (logging.makeLogRecord({"msg": "text"}) for _ in range(2))
    token = begin_record(new_record([(b"x-request-id", b"r-7")]))
    add_request_id(about)
    end_record(token)
    add_request_id(beside)

    assert (about.__dict__["request"], beside.__dict__["request"]) == ("[r-7] ", "")
    assert current_record() is None


def test_an_id_comes_back_and_reaches_the_upstream(start: Start, call: Call, fake: FakeReka) -> None:
    fake.will_answer(200, ANSWER)
    fake.will_answer(200, ANSWER)
    api = call(start(upstream=fake.url, upstream_model="m"))

    kept = api.chat("Hi")
    given = api.ask(
        "POST",
        "/v1/chat/completions",
        json={"messages": [{"role": "user", "content": "Hi"}]},
        headers={"x-request-id": "mine-1", "traceparent": PARENT},
    )

    assert given.headers["x-request-id"] == "mine-1"
    assert [request.headers["x-request-id"] for request in fake.requests] == [kept.headers["x-request-id"], "mine-1"]
    assert [request.headers.get("traceparent") for request in fake.requests] == [None, PARENT]


def test_a_bad_id_is_not_sent_back(start: Start, call: Call) -> None:
    answer = call(start()).ask("GET", "/healthz", headers={"x-request-id": "<script>"})

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
