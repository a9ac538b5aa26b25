"""Proxies that fail or refuse: the error says that it is the proxy's, and shows no password."""

import traceback
from typing import Any

import pytest

import reka
from reka.testing import FakeReka, answer
from tests.support.clients import KEY, Connect

PASSWORD = "pass-word"  # of nobody
TUNNELLED = "https://reka.test"
FORWARDED = "http://reka.test"


def refused(connect: Connect, address: str, proxy: str) -> reka.RekaError:
    """The error of a call by way of a proxy that has a password in its address."""
    with_password = proxy.replace("//", f"//user:{PASSWORD}@")
    with connect(KEY, address, proxies={"all": with_password}) as client, pytest.raises(reka.RekaError) as caught:
        client.prepare_retrieval("alice")
    return caught.value


def refuse_tunnel(handler: Any) -> None:
    """Answer a CONNECT with 407."""
    handler.raw(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("address", [TUNNELLED, FORWARDED])
def test_a_refusal_for_lack_of_a_password_is_that_of_the_proxy_and_not_tried_again(
    connect: Connect, fake: FakeReka, address: str
) -> None:
    if address == TUNNELLED:
        fake.otherwise = refuse_tunnel
    else:
        fake.otherwise = answer(407, b"<html>who are you?</html>", {"Proxy-Authenticate": "Basic"})

    error = refused(connect, address, fake.url)

    assert type(error).__mro__[1] is reka.APIConnectionError
    assert error.status_code == 407
    assert "the proxy, not the server, wants a user name and password" in error.message
    assert len(fake.requests) == 1
    assert PASSWORD not in "".join(traceback.format_exception(error)) + repr(error.__cause__)


@pytest.mark.parametrize("address", [TUNNELLED, FORWARDED])
def test_a_proxy_that_is_not_there_is_named_without_its_password(connect: Connect, address: str) -> None:
    error = refused(connect, address, "http://127.0.0.1:1")

    assert isinstance(error, reka.APIConnectionError)
    assert error.message.endswith(": the proxy failed (nothing listens there, or it cannot be reached)")
    assert PASSWORD not in "".join(traceback.format_exception(error)) + repr(error.__cause__)
