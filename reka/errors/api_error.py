"""The errors of `reka-api` 3, as which `client.chat.create` and its like raise ours too."""

from typing import Any


class ApiError(Exception):
    """An error status, as `reka-api` 3 raises it. Ours is of this class and of one of `reka.errors`.

    Args:
        status_code: HTTP status; None if there was no response.
        body: Body of the response: what its JSON holds, else its text.
    """

    def __init__(self, *, status_code: int | None = None, body: Any = None) -> None:
        super().__init__(body)
        self.status_code = status_code
        self.body = body

    def __str__(self) -> str:
        """Status and body."""
        return f"status_code: {self.status_code}, body: {self.body}"


class UnprocessableEntityError(ApiError):
    """The request was refused as invalid (422).

    Args:
        body: As in `ApiError`.
    """

    def __init__(self, body: Any = None) -> None:
        super().__init__(status_code=422, body=body)
