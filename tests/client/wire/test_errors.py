"""Whatever a server answers, the error is typed, says what it said, and never shows the key."""

import pickle
from typing import Any

import pytest

import reka
from reka._protocol.errors import detail, retry_after
from reka.testing import FakeReka, say_nothing, stop_inside_the_body
from tests.support.clients import KEY, Connect

CLASSES = [
    (400, reka.InvalidRequestError),
    (401, reka.AuthError),
    (403, reka.PermissionDeniedError),
    (404, reka.NotFoundError),
    (413, reka.InvalidRequestError),
    (422, reka.InvalidRequestError),
    (429, reka.RateLimitError),
    (500, reka.ServerError),
    (503, reka.ServerError),
    (300, reka.APIStatusError),
]


@pytest.fixture
def once(connect: Connect, fake: FakeReka) -> reka.Reka:
    return connect(KEY, fake.url, timeout=5, max_retries=0, api="v0")


@pytest.mark.parametrize(("status", "kind"), CLASSES)
def test_each_status_has_its_class_and_carries_what_the_server_said(
    once: reka.Reka, fake: FakeReka, status: int, kind: type[reka.RekaError]
) -> None:
    fake.will_answer(status, {"detail": "what happened"}, {"x-request-id": "r-7", "Retry-After": "3"})

    with once, pytest.raises(reka.RekaError) as caught:
        once.chat("Hi")

    error = caught.value
    assert (isinstance(error, kind), type(error).__name__) == (True, kind.__name__)
    assert (error.status_code, error.request_id, error.retry_after) == (status, "r-7", 3.0)
    assert "what happened" in error.message
    assert str(error).endswith("(request r-7)")
    assert KEY not in f"{error!r}{error}"


def test_no_balance_is_an_error_of_its_own(once: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(429, {"error": {"message": "P001: Insufficient Balance", "type": "x", "code": "P001"}})

    with once, pytest.raises(reka.InsufficientBalanceError, match="Insufficient Balance"):
        once.get_models()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(b'{"detail": "no"}', "no", id="detail"),
        pytest.param(
            b'{"detail": [{"loc": ["body", "a", 0], "msg": "bad"}, {"loc": [], "msg": "worse"}]}',
            "a.0: bad; worse",
            id="list",
        ),
        pytest.param(b'{"error": {"message": "no", "code": "E1"}}', "E1: no", id="error"),
        pytest.param(b'{"error": {"message": "E1: no", "code": "E1"}}', "E1: no", id="code-said-already"),
        pytest.param(b'{"error": "no"}', "no", id="error-text"),
        pytest.param(b'{"reason": 7}', '{"reason": 7}', id="unknown"),
        pytest.param(b"null", "", id="null"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"Bad Gateway", "Bad Gateway", id="text"),
        pytest.param(
            b"<html><head><title>x</title><style>p{}</style></head><body><h1>502</h1>Bad&nbsp;Gateway</body></html>",
            "502 Bad Gateway",
            id="html",
        ),
        pytest.param(b"<script" * 20_000, "", id="html-code-without-end"),
        pytest.param(b"<!" * 70_000 + b"<p>end", "<!" * 500, id="html-tags-without-end"),
        pytest.param(b"\xff\xfe", "\ufffd\ufffd", id="bytes"),
        pytest.param(b"[" * 100_000, "[" * 1000, id="deep"),
        pytest.param(b"x" * 5000, "x" * 1000, id="long"),
    ],
)
def test_every_shape_of_error_body_is_understood(body: bytes, said: str) -> None:
    assert detail(body) == said


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        ({"retry-after": "later"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_a_wait_is_read_in_seconds_milliseconds_or_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=60.0) == seconds


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        pytest.param(
            b"<html>hello</html>", {"Content-Type": "text/html"}, "18 bytes of text/html, want a model turn", id="html"
        ),
        pytest.param(b"", {}, "gave an empty answer, want a model turn", id="nothing"),
        pytest.param(b'{"type": "model", "te', {"Content-Type": "application/json"}, "want a model turn", id="cut"),
        pytest.param(b"[1, 2]", {"Content-Type": "application/json"}, "want a model turn", id="other-shape"),
        pytest.param(b'{"type": "model", "text": 7}', {"Content-Type": "application/json"}, "text: ", id="wrong-type"),
        pytest.param(b"\xff\xfe\x00", {"Content-Type": "application/json"}, "want a model turn", id="garbage"),
        pytest.param(b"not gzip", {"Content-Encoding": "gzip"}, "cannot be decompressed", id="bad-gzip"),
    ],
)
def test_an_answer_that_cannot_be_read_says_what_came_and_what_was_wanted(
    client: reka.Reka, fake: FakeReka, body: bytes, headers: dict[str, str], message: str
) -> None:
    fake.will_answer(200, body, headers)

    with pytest.raises(reka.UnexpectedResponseError) as caught:
        client.chat("Hi")

    assert message in str(caught.value)
    assert len(fake.requests) == 1


def test_a_base_url_that_is_no_server_of_rekas_is_asked_about(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, b"<html>", {"Content-Type": "text/html"})

    with pytest.raises(reka.UnexpectedResponseError, match="is base_url the address of a Reka server"):
        client.list_datasets()


def test_a_port_where_nothing_listens_is_a_connection_error_that_says_so(connect: Connect, fake: FakeReka) -> None:
    fake.close()

    with connect(KEY, fake.url, max_retries=0) as client, pytest.raises(reka.APIConnectionError) as caught:
        client.get_models()

    assert "nothing listens there" in str(caught.value)
    assert caught.value.status_code is None


def test_a_host_that_does_not_exist_is_a_connection_error_that_says_so(connect: Connect) -> None:
    with (
        connect(KEY, "http://no-such-host.invalid", max_retries=0) as client,
        pytest.raises(reka.APIConnectionError, match=r"no such host|cannot be reached"),
    ):
        client.get_models()


def test_an_answer_that_breaks_off_is_a_connection_error(once: reka.Reka, fake: FakeReka) -> None:
    fake.will_give(stop_inside_the_body)

    with once, pytest.raises(reka.APIConnectionError, match="the connection broke"):
        once.chat("Hi")


def test_a_server_that_says_nothing_is_a_timeout(connect: Connect, fake: FakeReka) -> None:
    fake.will_give(say_nothing)
    timeout = reka.Timeout(connect=1, read=0.05, total=1)

    with (
        connect(KEY, fake.url, timeout=timeout, max_retries=0) as client,
        pytest.raises(reka.APITimeoutError) as caught,
    ):
        client.chat("Hi")

    assert "no answer within 0.05 s" in str(caught.value)
    assert isinstance(caught.value, TimeoutError)


@pytest.mark.parametrize("timeout", [0, -1, "5", True, float("nan"), float("inf")])
def test_a_timeout_must_be_a_positive_number(connect: Connect, timeout: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="timeout"):
        connect(KEY, timeout=timeout)


@pytest.mark.parametrize("max_retries", [-1, 1.5, "2", True, None])
def test_retries_must_be_a_whole_number(connect: Connect, max_retries: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="max_retries: got"):
        connect(KEY, max_retries=max_retries)


def test_every_error_survives_pickling() -> None:
    classes = [kind for name in reka.__all__ if isinstance(kind := getattr(reka, name), type)]
    errors = [kind for kind in classes if issubclass(kind, reka.RekaError)]

    for kind in errors:
        error = kind("what", 418, "r-1", 2.0) if kind is not reka.WaitTimeoutError else kind("what")
        copy = pickle.loads(pickle.dumps(error))

        assert type(copy) is kind
        assert str(copy) == str(error)
        assert vars(copy) == vars(error)
    assert len(errors) > 15
