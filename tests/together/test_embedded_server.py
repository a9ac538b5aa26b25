"""The embedded server as a client reaches it."""

from pathlib import Path

import pytest

from tests.support.clients import Connect
from tests.support.fake_reka import FakeReka


def test_no_proxy_stands_between_a_client_and_its_embedded_server(
    connect: Connect, fake: FakeReka, local_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", fake.url)

    with (
        connect(base_url=f"local:{local_folder}") as ambient,
        connect(base_url=f"local:{local_folder}", proxies={"http": fake.url}) as explicit,
    ):
        assert ambient.get_models() == explicit.get_models()

    assert fake.requests == []
