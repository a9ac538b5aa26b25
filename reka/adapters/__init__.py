"""What adapters to other frameworks are built on: shared clients, and an event loop in the background."""

from reka.adapters import background_loop
from reka.adapters.shared_clients import ClientSettings, SharedClients, with_prepare_hint

__all__ = ["ClientSettings", "SharedClients", "background_loop", "with_prepare_hint"]
