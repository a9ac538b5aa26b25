"""Addresses of resources: of a dataset, and of a document in one. Pure functions."""

from typing import Final, NamedTuple
from urllib.parse import quote, unquote

_ROOT: Final = "reka://datasets/"
_DOCUMENTS: Final = "/documents/"

DATASET_TEMPLATE: Final = _ROOT + "{dataset}"
DOCUMENT_TEMPLATE: Final = _ROOT + "{dataset}" + _DOCUMENTS + "{document}"


class Address(NamedTuple):
    """What an address names."""

    dataset: str
    document: str | None
    """Id of the document; None for the dataset itself."""


def dataset_address(dataset: str) -> str:
    """Return the address of a dataset."""
    return _ROOT + quote(dataset, safe="")


def document_address(dataset: str, document: str) -> str:
    """Return the address of a document; its id may be any text."""
    return dataset_address(dataset) + _DOCUMENTS + quote(document, safe="")


def parse_address(address: str) -> Address | None:
    """Read an address; None if it is of another kind."""
    if not address.startswith(_ROOT):
        return None
    dataset, separator, document = address.removeprefix(_ROOT).partition(_DOCUMENTS)
    if not dataset or "/" in dataset or (separator and not document):
        return None
    return Address(unquote(dataset), unquote(document) if separator else None)
