"""One exchange with the API as a value: described before a socket is opened, and sent alike by both clients."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from reka._inputs.uploads import Source
from reka._protocol.answers.budgets import MAX_STREAM_BYTES
from reka._record import record
from reka._wire.failures import OwnError
from reka._wire.reply import Reply
from reka.errors import StreamInterruptedError
from reka.types import Form, OnProgress

T = TypeVar("T")
Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)

OwnErrors: TypeAlias = Callable[[int, str], OwnError | None]
"""Maps status and detail to what the error is at this endpoint; None for the status's default."""


@record
class Upload:
    """A file to upload, with the form fields before it."""

    source: Source
    fields: Mapping[str, str]
    on_progress: OnProgress | None = None


def default_errors(status: int, detail: str) -> None:
    """Use the status's default error class."""


@record
class Call(Generic[T]):
    """One exchange: a request, and how its complete answer is read."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    read: Callable[[Reply], T]
    """Pure: a complete, successful answer -> its value."""

    body: bytes | Upload | None = None
    """JSON or lines of JSON as they are sent, or a file."""

    errors: OwnErrors = field(default=default_errors)
    """Where this call knows better than the status which error it is."""

    repeatable: bool = True
    """Whether it may be sent again when nobody knows if the first one arrived."""

    content_type: str = "application/json"
    """Media type of a body of bytes."""

    form: Form | None = None
    """Form of a body for the completions endpoint; None for other endpoints."""


class Decoder(Protocol[Item_co]):
    """Turns the bytes of a streamed answer into its items, such as events; no I/O."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to come: the answer has said that it is whole, or has failed."""
        ...

    @property
    def partial_text(self) -> str:
        """All text so far."""
        ...

    def feed(self, received: bytes) -> Sequence[Item_co]:
        """Take the next bytes."""
        ...

    def finish(self) -> Sequence[Item_co]:
        """Take the end of the stream; raises what the answer failed of."""
        ...

    def interrupted(self, reason: str) -> StreamInterruptedError:
        """Make the error for a stream that broke off."""
        ...


@record
class StreamCall(Call[Sequence[Item]]):
    """An exchange whose answer comes bit by bit. A server that answers in whole all the same is read by `read`."""

    decoder: Callable[[Reply], Decoder[Item]] = field(kw_only=True)
    """Makes the decoder of one answer, from its status and headers."""

    max_bytes: int = field(default=MAX_STREAM_BYTES, kw_only=True)
    """Maximum size of the answer, after decompression."""
