"""What servers can do, and what requests need that not every server can: the names of both."""

from typing import Final

RETRIEVAL_TOP_K: Final = "retrieval_top_k"
"""Feature of a server, and argument of a chat: how many chunks come back."""

V1_RETRIEVAL: Final = "v1_retrieval"
"""Feature of a server whose v1 endpoints take what is V0_ONLY elsewhere; our own says so at `GET /`."""

V0_ONLY: Final = frozenset({"retrieval_dataset", "length_penalty"})
"""What the documented endpoint has, and the completions endpoint of Reka's host has not."""

TOOL_CALLS: Final = "tool calls"
SEVERAL_MEDIA: Final = "several media"
LATER_MEDIA: Final = "media after the first turn"
"""What messages can hold, and turns of the documented endpoint cannot; see `reka._protocol.messages.beyond_turns`."""
