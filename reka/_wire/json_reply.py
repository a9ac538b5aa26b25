"""Reading the JSON of a successful answer."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from reka._wire.failures import error_in_answer
from reka._wire.reply import Reply, readable_json, unexpected

T = TypeVar("T")


def read_json(reply: Reply, adapter: TypeAdapter[T], wanted: str) -> T:
    """Read the body as JSON of one shape.

    Args:
        reply: A successful answer.
        adapter: The shape.
        wanted: The shape in words, for the error.

    Raises:
        RekaError: The server reports an error, in spite of its status.
        UnexpectedResponseError: It is no JSON, or of another shape.
    """
    try:
        return _validated(reply.body, adapter)
    except ValidationError as error:
        reported = error_in_answer(reply)
        if reported is not None:
            raise reported from None
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = f"{place}: {first['msg']}" if place else first["msg"]
        raise unexpected(reply, wanted, reason) from None


def _validated(body: bytes, adapter: TypeAdapter[T]) -> T:
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        if error.errors(include_url=False)[0]["type"] != "json_invalid":
            raise
        # pydantic refuses lone surrogates, a byte order mark and bytes that are not UTF-8.
        try:
            document = readable_json(body.decode("utf-8-sig", "replace"))
        except (ValueError, RecursionError):
            raise error from None
    return adapter.validate_python(document)
