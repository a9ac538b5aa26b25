"""Documents to put into a dataset, and ids of documents: checked, and written in batches of bounded size."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from reka import config
from reka._protocol.checks import describe, json_kind, require_utf8
from reka._protocol.datasets import MAX_DOCUMENT_ID
from reka._protocol.filters import parse_filter
from reka.errors import InvalidArgumentError

_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_FIELDS: Final = ("id", "text", "source", "metadata")


def document_batches(documents: object) -> Iterator[bytes]:
    """Check documents, and write them as lines of JSON, a batch at a time.

    What can be read twice is checked as a whole before the first batch; of anything else, a batch is read when the one
    before it has been sent.

    Raises:
        InvalidArgumentError: There is something that is no document; the message has its place.
    """
    if isinstance(documents, str | bytes | Mapping) or not isinstance(documents, Iterable):
        raise InvalidArgumentError(
            f"documents: got {json_kind(documents)}, want a list of dicts with id, text and, optionally, source and "
            "metadata"
        )
    if isinstance(documents, Sequence):
        for place, document in enumerate(documents):
            _line(document, place)
    return _batches(documents)


def id_batches(ids: object) -> Iterator[list[str]]:
    """Check the ids of documents, and give them in batches.

    Raises:
        InvalidArgumentError: They are no ids.
    """
    if isinstance(ids, str | bytes | Mapping) or not isinstance(ids, Iterable):
        raise InvalidArgumentError(f"ids: got {json_kind(ids)}, want a list of ids")
    checked = iter([_name(value, f"ids[{place}]") for place, value in enumerate(ids)])
    return iter(lambda: list(islice(checked, config.DOCUMENT_BATCH)), [])


def deletions(ids: object, condition: Mapping[str, Any] | None) -> Iterator[Mapping[str, object]]:
    """Check which documents to delete, by their ids or by a filter, and give the bodies of the requests for that.

    Raises:
        InvalidArgumentError: Both or none are given, or they are no ids or no filter, or the filter holds for every
            document.
    """
    if (ids is None) == (condition is None):
        raise InvalidArgumentError("ids, filter: want one of them")
    if condition is None:
        return ({"ids": batch} for batch in id_batches(ids))
    if condition == {}:
        raise InvalidArgumentError(
            "filter: got an empty one, which holds for every document; delete_dataset deletes them all"
        )
    return iter([{"filter": metadata_filter(condition, "filter")}])


def metadata_filter(condition: Mapping[str, Any], argument: str) -> dict[str, Any]:
    """Check a filter, and return it as it is sent.

    Raises:
        InvalidArgumentError: It is none; the message has the place within it.
    """
    parse_filter(condition, argument)
    return dict(condition)


def _batches(documents: Iterable[object]) -> Iterator[bytes]:
    lines: list[bytes] = []
    size = 0
    for place, document in enumerate(documents):
        line = _line(document, place)
        if lines and (len(lines) == config.DOCUMENT_BATCH or size + len(line) > config.DOCUMENT_BATCH_BYTES):
            yield b"".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield b"".join(lines)


def _line(document: object, place: int) -> bytes:
    """Write a document as one line of JSON."""
    where = f"documents[{place}]"
    if not isinstance(document, Mapping):
        raise InvalidArgumentError(f"{where}: got {json_kind(document)}, want a dict with id and text")
    for name in document:
        if name not in _FIELDS:
            raise InvalidArgumentError(f"{where}: got the key {name!r}, want {', '.join(_FIELDS)}")
    fields = {"id": _name(document.get("id"), f"{where}['id']"), "text": document.get("text")}
    if not isinstance(fields["text"], str) or not fields["text"].strip():
        got = "an empty one" if isinstance(fields["text"], str) else json_kind(fields["text"])
        raise InvalidArgumentError(f"{where}['text']: got {got}, want a text that is not empty")
    if (source := document.get("source")) is not None:
        fields["source"] = _name(source, f"{where}['source']")
    if (metadata := document.get("metadata")) is not None:
        if not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata):
            raise InvalidArgumentError(f"{where}['metadata']: got {describe(metadata)}, want a dict with texts as keys")
        fields["metadata"] = dict(metadata)
    return _json_line(fields, where)


def _json_line(fields: Mapping[str, Any], where: str) -> bytes:
    try:
        return _JSON.encode(fields).encode() + b"\n"
    except UnicodeEncodeError as error:
        require_utf8(fields, where)
        raise InvalidArgumentError(f"{where}: cannot be written as UTF-8: {error}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"{where}['metadata']: cannot be written as JSON: {error}") from error


def _name(value: object, where: str) -> str:
    """Require an id or a source."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_DOCUMENT_ID:
        got = f"{len(value)} characters" if isinstance(value, str) else json_kind(value)
        raise InvalidArgumentError(f"{where}: got {got}, want a text of 1 to {MAX_DOCUMENT_ID} characters")
    if not value.isascii():
        require_utf8(value, where)
    return value
