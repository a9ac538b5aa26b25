"""Constants of the API that client, server and adapters share. `import reka` loads this module and no table."""

from typing import Final

API_URL: Final = "https://api.reka.ai"
"""Reka's own host (documented)."""

DEFAULT_MODEL: Final = "reka-flash"
"""Model of a chat that names none (documented)."""

RETRIEVED_CHUNKS: Final = 8
"""Default number of chunks that retrieval returns (ours)."""

MAX_RETRIEVED_CHUNKS: Final = 100
"""Maximum number of chunks that a chat can request (ours)."""

MAX_SEARCH_CHUNKS: Final = 1_000
"""Maximum number of chunks that a search without a chat can request (ours)."""

RETRIEVAL_TOP_K: Final = "retrieval_top_k"
"""Feature of a server, and parameter of a chat: the number of chunks to return."""

V1_RETRIEVAL: Final = "v1_retrieval"
"""Feature of a server whose v1 endpoints accept the parameters in V0_ONLY; our own lists it at `GET /`."""

DOCUMENTS: Final = "documents"
"""Feature of a server whose datasets are sets of documents, which can be changed, filtered and searched alone."""

V0_ONLY: Final = frozenset({"retrieval_dataset", "length_penalty"})
"""Parameters that only the documented endpoint of Reka's host has."""

TOOL_CALLS: Final = "tool calls"
SEVERAL_MEDIA: Final = "several media"
LATER_MEDIA: Final = "media after the first turn"
"""Features of messages that turns of the documented endpoint lack; see `reka._protocol.messages.beyond_turns`."""
