"""How much of an answer is read: limits of both clients and of the upstream's reader. All are ours."""

from typing import Final

MAX_HEAD_BYTES: Final = 256 * 1024
"""Maximum size of status and headers, with those of interim responses; the sync client's own sessions hold it, and
aiohttp has limits of its own."""

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
"""Maximum size of a whole answer, also after decompression."""

MAX_STREAM_BYTES: Final = 256 * 1024 * 1024
"""Maximum size of a stream, also after decompression."""

MAX_EXPORT_BYTES: Final = 32 * 1024 * 1024 * 1024
"""Maximum size of a dataset's export, which goes to a file: our server keeps 20 GiB a dataset."""

MAX_EVENT_BYTES: Final = 8 * 1024 * 1024
"""Maximum size of a server-sent event, and of a line."""

MAX_ERROR_BYTES: Final = 1024 * 1024
"""Size after which the body of an error is cut: its status still says which error it is."""

MAX_JSON_DEPTH: Final = 200
"""Maximum nesting depth of JSON, as for requests to our own server."""

MAX_JSON_VALUES: Final = 2_000_000
"""Maximum number of values in JSON: an object takes up to a hundred times its bytes."""

MAX_TOOL_CALLS: Final = 1024
"""Maximum number of tool calls in an answer."""


class OverBudgetError(ValueError):
    """An answer is larger than a budget; the message says which one it exceeds, as the end of a sentence."""


def too_large(size: int) -> OverBudgetError:
    """Make the error for an answer with more than so many bytes."""
    return OverBudgetError(f"an answer of more than {size // 1024:,} KiB")
