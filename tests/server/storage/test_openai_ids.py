"""Ids of files name documents of datasets, and are read back; anything else is no id."""

from uuid import uuid4

import pytest

from reka.server.storage.openai.ids import (
    batch_id,
    dataset_of_store,
    document_of_file,
    file_id,
    new_file_id,
    number_of_batch,
    store_id,
)

DATASET = uuid4().hex


@pytest.mark.parametrize("document", ["alice.txt", "notes/a b.md", "..", "Grüße", "x" * 512, "file-1", "doc-abc"])
def test_the_id_of_a_document_is_safe_in_a_path_and_is_read_back(document: str) -> None:
    value = file_id(DATASET, document)

    assert value.replace("-", "").replace("_", "").isalnum()
    assert document_of_file(value) == (DATASET, document)


def test_the_id_of_an_attached_file_is_that_of_its_document() -> None:
    value = new_file_id()

    assert file_id(DATASET, value) == value
    assert document_of_file(value) == (None, value)


@pytest.mark.parametrize("value", ["", "file-1", "alice.txt", "doc-", "doc-!", "doc-AAAA", "doc-é", "vs_1"])
def test_what_is_no_id_of_a_file_names_nothing(value: str) -> None:
    assert document_of_file(value) is None


def test_an_id_that_is_written_in_another_way_names_nothing() -> None:
    value = file_id(DATASET, "alice.txt")

    assert document_of_file(value + "=") is None
    assert document_of_file(value.replace("doc-", "doc-A")) is None


def test_stores_and_batches_have_ids_of_their_own() -> None:
    assert dataset_of_store(store_id(DATASET)) == number_of_batch(batch_id(DATASET)) == DATASET
    assert dataset_of_store(batch_id(DATASET)) is None
    assert number_of_batch(store_id(DATASET)) is None
    assert dataset_of_store("vs_alice") is None
