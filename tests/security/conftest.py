"""Servers on data folders of their own, callers of them, and a scripted upstream."""

from tests.server.conftest import call, data_dir, start
from tests.support.fixtures import fake

__all__ = ["call", "data_dir", "fake", "start"]
