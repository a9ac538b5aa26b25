"""What servers on loopback speak TLS with."""

from pathlib import Path
from typing import Final

LOOPBACK_CERTIFICATE: Final = Path(__file__).with_name("loopback.pem")
"""A certificate for 127.0.0.1 with its key."""
