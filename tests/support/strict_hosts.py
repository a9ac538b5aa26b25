"""The strict hosts by name; none of them has datasets."""

from collections.abc import Callable, Mapping
from typing import Final

from tests.support.strict_host import StrictHost
from tests.support.strict_openai import StrictOpenAI
from tests.support.strict_reka import V1_ALONE, StrictReka

STRICT_HOSTS: Final[Mapping[str, Callable[[], StrictHost]]] = {
    "2025": StrictReka,
    "2025-completions-alone": lambda: StrictReka(endpoints=V1_ALONE),
    "openai": StrictOpenAI,
}


def model_with_tools(host: StrictHost) -> str:
    """The name of a model of a host that has tools."""
    return "reka-edge-2603" if isinstance(host, StrictOpenAI) else "reka-flash"
