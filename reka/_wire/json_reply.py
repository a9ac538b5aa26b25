"""Reading the JSON of a successful answer."""

from codecs import BOM_UTF8
from typing import Any

from reka._protocol.answers.budgets import OverBudgetError
from reka._wire.failures import error_in_answer
from reka._wire.reply import Reply, readable_json, unexpected
from reka._wire.shapes import Shape


def read_json(reply: Reply, shape: Shape, wanted: str) -> Any:
    """Read the body as JSON of one shape.

    Lone surrogates, a byte order mark and bytes that are not UTF-8 are no reason to refuse an answer.

    Args:
        reply: A successful answer.
        shape: The shape.
        wanted: The shape in words, for the error.

    Raises:
        RekaError: The server reports an error, in spite of its status.
        UnexpectedResponseError: It is no JSON, or of another shape.
    """
    try:
        document = readable_json(reply.body.removeprefix(BOM_UTF8).decode("utf-8", "replace"))
    except OverBudgetError as error:
        raise unexpected(reply, wanted, str(error)) from None
    except ValueError as error:
        raise unexpected(reply, wanted, f"invalid JSON: {error}") from None
    misfit = shape(document)
    if misfit:
        raise error_in_answer(reply) or unexpected(reply, wanted, misfit)
    return document
