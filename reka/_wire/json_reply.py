"""Reading the JSON of a successful answer."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from reka._wire.failures import error_in_answer
from reka._wire.reply import Reply, unexpected

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
        return adapter.validate_json(reply.body)
    except ValidationError as error:
        reported = error_in_answer(reply)
        if reported is not None:
            raise reported from None
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = f"{place}: {first['msg']}" if place else first["msg"]
        raise unexpected(reply, wanted, reason) from None
