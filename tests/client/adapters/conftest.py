"""A host whose datasets are replaced as a whole, and who takes steps on it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from reka.adapters import ClientSettings, DocumentDatasets, SharedClients, Steps, atake, take
from tests.support.clients import KEY
from tests.support.farm import Do
from tests.support.strict_datasets import StrictDatasets


@pytest.fixture
def host() -> Iterator[StrictDatasets]:
    with StrictDatasets() as host:
        yield host


@pytest.fixture
def settings(host: StrictDatasets) -> ClientSettings:
    return ClientSettings(KEY, host.url)


@pytest.fixture
def datasets(settings: ClientSettings) -> DocumentDatasets:
    return DocumentDatasets(settings)


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest, settings: ClientSettings) -> Do:
    def do(steps: Steps[Any]) -> Any:
        if request.param == "async":
            return asyncio.run(_take_and_close(steps, settings))
        with settings.sync_client() as client:
            return take(steps, client)

    return do


async def _take_and_close(steps: Steps[Any], settings: ClientSettings) -> Any:
    clients = SharedClients()
    try:
        return await atake(steps, clients.aio(settings))
    finally:
        await clients.aclose()
