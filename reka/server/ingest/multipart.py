"""Multipart bodies with one file and a few short fields, parsed block by block as they arrive."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from reka.server.errors import RefusedError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE: Final = "file"
"""Name of the part that has the file."""


class FileSink(Protocol):
    """Takes the file of a body."""

    filename: str
    """The file's name as the client sent it; empty if the client sent none."""

    def write(self, block: bytes) -> None:
        """Take the next bytes of the file."""
        ...


class MultipartBody:
    """One body. `feed` it the bytes, then `check_complete`; it is not thread-safe."""

    def __init__(
        self,
        content_type: str,
        fields: Mapping[str, int],
        file: FileSink,
        wanted: str,
        on_field: Callable[[str], object] | None = None,
    ) -> None:
        """Prepare to parse a body.

        Args:
            content_type: The Content-Type header of the request: multipart/form-data with a boundary.
            fields: Names of the fields, each with its maximum size in bytes.
            file: Takes the file.
            wanted: The parts that a body has, for errors.
            on_field: Called with the name of each part that has ended; an exception it raises ends the parsing.

        Raises:
            RefusedError: The body has another type.
        """
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise RefusedError(
                f"the body must be multipart/form-data, with the parts {wanted}; its Content-Type is "
                f"{content_type[:100]!r}"
            )
        self._wanted = wanted
        self._on_field = on_field
        self._file = file
        self._fields: dict[str, bytearray] = {}
        self._max_bytes = fields
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._part = ""
        self._is_complete = False
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except FormParserError as error:
            raise RefusedError(
                "the body's boundary is too long, see its Content-Type: use one of 70 characters"
            ) from error

    def feed(self, block: bytes) -> None:
        """Parse the next bytes of the body.

        Raises:
            RefusedError: They are malformed, or not what the body should have.
            Exception: Anything that the sink of the file or `on_field` raises.
        """
        try:
            self._parser.write(block)
        except MultipartParseError as error:
            raise RefusedError("the body is not well-formed multipart/form-data") from error

    def check_complete(self, *required: str) -> None:
        """Check that the body has come to its end, and has these parts.

        Raises:
            RefusedError: It has not.
        """
        if not self._is_complete:
            raise RefusedError("the upload is truncated: its closing boundary is missing")
        missing = [part for part in required if part not in self._fields]
        if missing:
            raise RefusedError(f"the upload has no part named {' and none named '.join(missing)}")

    def text(self, field: str) -> str | None:
        """Return a field; None if the body has none of that name.

        Raises:
            RefusedError: It is not UTF-8.
        """
        if field not in self._fields:
            return None
        try:
            return self._fields[field].decode("utf-8")
        except UnicodeDecodeError as error:
            raise RefusedError(f"{field} is not UTF-8 text") from error

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self._headers = {}

    def _on_header_end(self) -> None:
        field, value = self._header
        self._headers[bytes(field).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._part = options.get(b"name", b"").decode("utf-8", "replace")
        if self._part in self._fields:
            raise RefusedError(f"the upload has two parts named {self._part[:100]!r}; send one")
        if self._part != FILE and self._part not in self._max_bytes:
            raise RefusedError(f"the upload has a part named {self._part[:100]!r}; supported are {self._wanted}")
        self._fields[self._part] = bytearray()
        if self._part == FILE:
            self._file.filename = options.get(b"filename", b"").decode("utf-8", "replace")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        block = data[start:end]
        if self._part == FILE:
            self._file.write(block)
            return
        field, limit = self._fields[self._part], self._max_bytes[self._part]
        if len(field) + len(block) > limit:
            raise RefusedError(f"{self._part} has more than {limit} bytes: shorten it")
        field.extend(block)

    def _on_part_end(self) -> None:
        if self._on_field is not None:
            self._on_field(self._part)

    def _on_end(self) -> None:
        self._is_complete = True
