"""Defaults that client, server and adapters have in common. `import reka` loads this, and no table."""

from typing import Final

API_URL: Final = "https://api.reka.ai"
"""Reka's own host (documented)."""

DEFAULT_MODEL: Final = "reka-flash"
"""Model of a chat that names none (documented)."""

RETRIEVED_CHUNKS: Final = 8
"""Chunks that retrieval gives if nobody says how many (ours)."""

MAX_RETRIEVED_CHUNKS: Final = 100
"""The most chunks that retrieval can be asked for (ours)."""
