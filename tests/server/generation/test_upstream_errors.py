"""What an upstream's errors become: tables over pure functions."""

import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from multidict import CIMultiDict

from reka.server.generation.types import GenerationError
from reka.server.generation.upstream.errors import TransientError, error_for, error_in_body

KEY = "upstream-key-91c2"
URL = "http://127.0.0.1:11434/v1"
NO_BALANCE = {"error": {"message": "P001: Insufficient Balance"}}

PERMANENT: list[tuple[int, Any, int, str]] = [
    (204, b"", 502, "204"),
    (400, {"error": {"message": "no such model"}}, 400, "no such model"),
    (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, 502, "--upstream-key-env"),
    (403, {"detail": "not for you"}, 502, "refuses this server's key"),
    (404, b"<html>not here</html>", 502, "not here"),
    (413, b"", 400, "413"),
    (418, b'"\\ud800 teapot"', 502, "? teapot"),
    (422, {"detail": "temperature too high"}, 400, "temperature too high"),
    (422, {"detail": [{"msg": "bad"}]}, 400, "bad"),
    (422, {"detail": [{"loc": ["body", "top_k"], "msg": "too low"}]}, 400, "top_k: too low"),
    (429, NO_BALANCE, 429, "Insufficient Balance"),
    (501, b"", 502, "501"),
]
TRANSIENT: list[tuple[int, Any, int, str]] = [
    (408, b"", 504, "did not answer in time"),
    (409, b"", 502, "409"),
    (425, b"", 502, "425"),
    (429, {"error": {"message": "slow down"}}, 429, "slow down"),
    (500, {"error": {"message": "oops"}}, 502, "oops"),
    (502, b"<html><head><title>x</title></head><body>Bad <b>Gateway</b></body></html>", 502, "Bad Gateway"),
    (503, b"", 503, "busy"),
    (504, b"", 504, "in time"),
]


def converted(status: int, body: Any = b"", headers: dict[str, str] | None = None) -> GenerationError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_for(status, CIMultiDict(headers or {}), data, URL, KEY)


@pytest.mark.parametrize(
    ("status", "body", "ours", "said", "is_transient"),
    [*((*row, False) for row in PERMANENT), *((*row, True) for row in TRANSIENT)],
)
def test_an_error_becomes_one_of_ours_and_says_whether_a_retry_may_help(
    status: int, body: Any, ours: int, said: str, is_transient: bool
) -> None:
    error = converted(status, body)

    assert error.status == ours
    assert said in error.detail
    assert URL in error.detail
    assert KEY not in repr(error)
    assert isinstance(error, TransientError) is is_transient


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"Retry-After": "7"}, 7, 7),
        ({"Retry-After": "0"}, 0, 0),
        ({"Retry-After": formatdate(time.time() + 86_400, usegmt=True)}, 80_000, 86_400),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, 0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 -0000"}, 0, 0),
        ({"Retry-After-Ms": "1500", "Retry-After": "9"}, 1.5, 1.5),
    ],
    ids=["seconds", "zero", "date", "past", "past-without-zone", "milliseconds"],
)
def test_a_wait_that_the_upstream_asks_for_is_passed_on(
    status: int, headers: dict[str, str], low: float, high: float
) -> None:
    wait = converted(status, headers=headers).retry_after

    assert wait is not None
    assert low <= wait <= high


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}], ids=["absent", "nonsense"])
def test_without_a_readable_wait_none_is_passed_on(headers: dict[str, str]) -> None:
    assert converted(429, headers=headers).retry_after is None


def test_the_code_and_the_limits_are_passed_on_and_no_other_header() -> None:
    headers = {"X-RateLimit-Remaining": "0", "x-ratelimit-reset-tokens": "6m0s", "x-other": "1"}

    error = converted(429, {"error": {"message": "slow", "code": "rpm"}}, headers)

    assert error.code == "rpm"
    assert error.limits == {"x-ratelimit-remaining": "0", "x-ratelimit-reset-tokens": "6m0s"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-ratelimit-key", KEY),
        ("x-ratelimit-limit", KEY),
        ("x-ratelimit-limit", f"60; key={KEY}"),
        ("x-ratelimit-remaining", "5\r\nset-cookie: a=b"),
        ("x-ratelimit-account", "12"),
        ("x-ratelimit-limit", "9" * 1000),
        ("x-ratelimit-reset-requests", ""),
        ("set-cookie", "session=1"),
        ("authorization", f"Bearer {KEY}"),
        ("server", "vLLM"),
    ],
)
def test_a_header_of_another_name_or_form_is_not_passed_on(name: str, value: str) -> None:
    assert converted(429, headers={name: value}).limits == {}


def test_a_key_that_looks_like_a_number_is_not_passed_on_either() -> None:
    error = error_for(429, CIMultiDict({"x-ratelimit-limit": "8812345"}), b"", URL, "8812345")

    assert error.limits == {}


@pytest.mark.parametrize(
    "value", ["60", "0", "0.5", "1795000000", "6m0s", "1h2m3.5s", "350ms", "2d", "2026-11-26T08:00:00Z"]
)
def test_every_usual_form_of_a_limit_is_passed_on(value: str) -> None:
    assert converted(503, headers={"x-ratelimit-requests-reset": value}).limits == {"x-ratelimit-requests-reset": value}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"message": "bad", "code": 400}, 400),
        ({"message": "bad", "code": "429"}, 429),
        ({"message": "bad", "code": "rate_limit_error"}, 429),
        ({"message": "bad", "type": "invalid_request_error"}, 400),
        ({"message": "bad", "type": "rate_limit_error", "code": "rpm"}, 429),
        ({"message": "bad", "type": "authentication_error"}, 502),
        ({"message": "bad", "type": "server_error"}, 502),
        ({"message": "bad", "code": 99999}, 502),
        ("bad", 502),
    ],
    ids=str,
)
def test_an_error_in_a_body_has_the_status_of_its_code_or_type(error: Any, status: int) -> None:
    converted = error_in_body({"error": error}, URL, KEY)

    assert converted.status == status
    assert "bad" in converted.detail
