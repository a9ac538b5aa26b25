"""Options of a client and of a call."""

from typing import Literal, TypeAlias

Api: TypeAlias = Literal["auto", "v0", "v1"]
"""Which family of endpoints a client uses: `v0` the documented one, `v1` completions, `auto` what a request needs."""
