"""TCP keepalive: a balancer that drops silent connections is noticed, and one that would do so sees packets."""

import socket
from typing import Final

_SECONDS: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 60}  # the second is macOS's for the first
_PROBES: Final = {"TCP_KEEPCNT": 5}

KEEPALIVE: Final = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in {**_SECONDS, **_PROBES}.items()
        if hasattr(socket, name)
    ),
]
"""Socket options: the first probe after a minute of silence, the connection is dead after five without a reply."""
