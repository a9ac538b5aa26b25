"""Every endpoint of documents once, as data."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from reka import config
from reka._calls.call import Call, StreamCall
from reka._calls.endpoints import own_errors
from reka._protocol.answers.budgets import MAX_EXPORT_BYTES
from reka._wire import documents
from reka._wire.documented import json_body
from reka._wire.documents import JSON_LINES, ExportDecoder, Page, Texts
from reka._wire.paths import path_part
from reka.errors import DatasetError, RetrievalError
from reka.types import DatasetInfo, DeleteDocumentsResult, PutDocumentsResult, RetrievedChunk

_ERRORS = own_errors(DatasetError, {400, 404, 409, 413, 415, 422})


def describe_dataset(name: str) -> Call[DatasetInfo]:
    """`GET /datasets/{name}`."""
    return Call("GET", dataset_path(name, "name"), documents.read_dataset_info, errors=_ERRORS)


def list_documents(dataset: str, after: str | None) -> Call[Page]:
    """`GET /datasets/{name}/documents`: a page of them, the first one if `after` is None."""
    query: dict[str, object] = {"limit": config.DOCUMENT_PAGE}
    if after is not None:
        query["after"] = after
    path = f"{dataset_path(dataset)}/documents?{urlencode(query)}"
    return Call("GET", path, documents.read_page, errors=_ERRORS)


def put_documents(dataset: str, lines: bytes) -> Call[PutDocumentsResult]:
    """`PUT /datasets/{name}/documents`, with a document on each line."""
    path = f"{dataset_path(dataset)}/documents"
    return Call("PUT", path, documents.read_put, lines, errors=_ERRORS, content_type=JSON_LINES)


def get_documents(dataset: str, ids: Sequence[str]) -> Call[Texts]:
    """`POST /datasets/{name}/documents/get`."""
    path = f"{dataset_path(dataset)}/documents/get"
    return Call("POST", path, documents.read_texts, json_body({"ids": ids}), errors=_ERRORS)


def delete_documents(dataset: str, selection: Mapping[str, object]) -> Call[DeleteDocumentsResult]:
    """`POST /datasets/{name}/documents/delete`, of `ids` or by a `filter`."""
    path = f"{dataset_path(dataset)}/documents/delete"
    return Call("POST", path, documents.read_deleted, json_body(selection), errors=_ERRORS)


def search(
    dataset: str, query: str, k: int, condition: Mapping[str, Any] | None, mode: str
) -> Call[list[RetrievedChunk]]:
    """`POST /datasets/{name}/search`."""
    body: dict[str, object] = {"query": query, "k": k, "mode": mode}
    if condition is not None:
        body["filter"] = condition
    errors = own_errors(RetrievalError, {400, 404, 409, 422})
    return Call("POST", f"{dataset_path(dataset)}/search", documents.read_found, json_body(body), errors=errors)


def export_dataset(name: str) -> StreamCall[bytes]:
    """`GET /datasets/{name}/export`, a zip that is passed on as it comes."""
    path = f"{dataset_path(name, 'name')}/export"
    return StreamCall(
        "GET", path, documents.read_no_export, errors=_ERRORS, decoder=ExportDecoder, max_bytes=MAX_EXPORT_BYTES
    )


def dataset_path(name: str, argument: str = "dataset") -> str:
    """Path of a dataset.

    Raises:
        InvalidArgumentError: It is no name.
    """
    return f"/datasets/{path_part(name, argument)}"
