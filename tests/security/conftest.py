"""Servers on data folders of their own, and callers of them."""

from tests.server.conftest import call, data_dir, start

__all__ = ["call", "data_dir", "start"]
