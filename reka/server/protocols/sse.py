"""Server-sent events of the streamed responses."""

import json
from typing import Any, Final

from reka._protocol import sse

# Its own encoder: `json.dumps` makes one at each call with other separators. ASCII only, since a lone surrogate from a
# model cannot be encoded as UTF-8.
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def event(value: Any) -> bytes:
    """Write an event whose data is a JSON value."""
    return b"data: " + _encode(value).encode("ascii") + b"\n\n"


DONE: Final = f"data: {sse.DONE}\n\n".encode("ascii")
"""Last event of a complete stream in OpenAI's protocol."""
