"""The embedded server as a client reaches it."""

from pathlib import Path

import pytest

import reka
from reka.testing import FakeReka
from tests.support.clients import Connect


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


def test_a_folder_that_cannot_be_one_is_refused_under_the_arguments_name(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")

    with connect(base_url=f"local:{tmp_path / 'file'}") as client, pytest.raises(reka.InvalidArgumentError) as caught:
        client.get_models()

    assert caught.value.message.startswith(f"base_url: the local server cannot keep its data in {tmp_path / 'file'}")
