"""The user's own settings, hidden from a test."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import reka

if TYPE_CHECKING:
    import pytest

_VARIABLES: Final = (
    "REKA_API_KEY",
    "REKA_BASE_URL",
    "REKA_DATASETS",
    "REKA_FORM",
    "REKA_MODEL",
    "REKA_SERVER",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
)


@contextmanager
def hide_settings(monkeypatch: "pytest.MonkeyPatch", folder: Path) -> Iterator[None]:
    """Hide the user's keys, addresses, defaults, proxies and certificates from a test, and what it keeps from the user.

    Args:
        monkeypatch: pytest's fixture, which sets everything back at the end of the test.
        folder: An existing folder, for the test's manifests and conversations.
    """
    monkeypatch.setenv("REKA_MANIFESTS", str(folder / f"manifests-{uuid4().hex}"))
    monkeypatch.setenv("REKA_CONFIG", os.devnull)
    monkeypatch.setenv("REKA_LOGS", str(folder / f"conversations-{uuid4().hex}.db"))
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    if host_models := sys.modules.get("reka.adapters.host_models"):
        host_models.forget()  # another test's server may have had the same port
    monkeypatch.setattr(reka, "BASE_URL", None)
    for name in ("API_KEY", "_SERVER"):  # until they are set, these read the environment
        monkeypatch.delitem(vars(reka), name, raising=False)
    try:
        yield
    finally:
        if documents := sys.modules.get("reka.adapters.documents"):
            documents.timers.cancel()  # of a server that has ended
