"""The error that a stream ends with before its answer does."""

from typing import Any

from reka._calls.call import Decoder
from reka.errors import APIConnectionError, APITimeoutError, RekaError


def with_partial_text(error: RekaError, decoder: Decoder[Any]) -> RekaError:
    """Make the error of a stream that has begun, which carries the text so far.

    Args:
        error: What ended the stream.
        decoder: The stream's decoder.

    Returns:
        The same error; a `StreamInterruptedError` in place of one of the connection.
    """
    if isinstance(error, APIConnectionError) and not isinstance(error, APITimeoutError):
        interrupted = decoder.interrupted("the connection broke inside the stream")
        interrupted.__cause__ = error
        return interrupted
    error.partial_text = decoder.partial_text
    return error
