"""The errors of `reka-api` 3, as which `client.chat.create` and its like raise ours too."""

from typing import Any

from reka.errors import InvalidArgumentError, InvalidConversationError, RekaError
from reka.errors.combined import combined


class ApiError(Exception):
    """An error as `reka-api` 3 raises it. Those that this package raises are also of a class of `reka.errors`.

    Args:
        arguments: Passed on to `Exception`.
        status_code: HTTP status; None if there was no response.
        body: Body of the response: what its JSON holds, else its text.
    """

    def __init__(self, *arguments: object, status_code: int | None = None, body: Any = None) -> None:
        super().__init__(*arguments)
        self.status_code = status_code
        self.body = body

    def __str__(self) -> str:
        """Status and body."""
        return f"status_code: {self.status_code}, body: {self.body}"


class UnprocessableEntityError(ApiError):
    """The server refused the request as invalid (422).

    Args:
        body: An `HttpValidationError`, if the server's is one.
    """

    def __init__(self, body: Any = None) -> None:
        super().__init__(status_code=422, body=body)


def as_api_error(error: RekaError) -> RekaError:
    """Make the same error again, as an `ApiError` too; what the client refuses has the status of a server's refusal."""
    is_refused = isinstance(error, InvalidArgumentError | InvalidConversationError)
    status = 422 if is_refused else error.status_code
    kind = UnprocessableEntityError if status == 422 else ApiError
    translated = combined(type(error), kind)(*error.args)
    vars(translated).update({**vars(error), "status_code": status, "body": _body(error)})
    return translated


def _body(error: RekaError) -> Any:
    response = getattr(error, "response", None)
    if response is None:
        return error.message
    try:
        body = response.json()
    except ValueError:
        return response.text
    if error.status_code != 422:
        return body
    from pydantic import ValidationError

    from reka.types.sdk3 import HttpValidationError

    try:
        return HttpValidationError.model_validate(body)
    except ValidationError:
        return body
