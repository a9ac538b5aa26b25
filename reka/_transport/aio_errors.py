"""Errors of aiohttp, as errors of ours."""

import asyncio
import ssl
import time

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from reka._transport.proxy_errors import NOT_THERE, proxy_error
from reka._transport.retry import NoConnectionInTimeError, NotConnectedError
from reka.config import Timeout
from reka.errors import APIConnectionError, APITimeoutError, RekaError, UnexpectedResponseError


def connection_error(error: BaseException, request_line: str, timeout: Timeout, end: float) -> RekaError:
    """Make the error of ours that one of aiohttp's stands for.

    Args:
        error: What aiohttp raised.
        request_line: Method and URL.
        timeout: The limits of the call.
        end: Deadline of the call, by `time.monotonic`.
    """
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return NoConnectionInTimeError(f"{request_line}: no connection within {timeout.connect:g} s")
    if isinstance(error, asyncio.TimeoutError):
        limit = timeout.read if time.monotonic() < end else timeout.total
        return APITimeoutError(f"{request_line}: no answer within {limit:g} s")
    if isinstance(error, aiohttp.ClientConnectorSSLError | aiohttp.ClientConnectorCertificateError | ssl.SSLError):
        return NotConnectedError(f"{request_line}: TLS failed ({error}); own CA: set REQUESTS_CA_BUNDLE to its file")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_error(request_line, f"{error.status} {error.message}", error.status)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return proxy_error(request_line, NOT_THERE)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return NotConnectedError(f"{request_line}: no such host; check base_url and the network")
    if isinstance(error, aiohttp.ClientConnectorError):
        return NotConnectedError(f"{request_line}: {NOT_THERE}; check base_url")
    if _is_decoding(error):
        return UnexpectedResponseError(f"{request_line} gave an answer that cannot be decompressed")
    return APIConnectionError(f"{request_line}: the connection broke ({str(error) or type(error).__name__})")


def forget_secrets(error: BaseException) -> None:
    """Take key and proxy password, which are in headers and URL, out of an error that will be the cause of ours."""
    if isinstance(error, aiohttp.ClientResponseError):
        info = error.request_info
        headers = info.headers.copy()
        headers.clear()
        url, real_url = (url.with_user(None) for url in (info.url, info.real_url))
        error.request_info = aiohttp.RequestInfo(url, info.method, type(info.headers)(headers), real_url)
        error.args = (error.request_info, error.history)
    if isinstance(error, aiohttp.ClientConnectorError):
        key = error.args[0]._replace(proxy=None, proxy_auth=None)
        error.args = (key, *error.args[1:])
        vars(error)["_conn_key"] = key


def _is_decoding(error: BaseException | None) -> bool:
    """Whether what aiohttp raised comes from a body that its Content-Encoding does not fit."""
    while error is not None:
        if isinstance(error, ContentEncodingError):
            return True
        error = error.__cause__
    return False
