"""The demo's steps with other frameworks, which the installed adapters bring as entry points."""

from importlib.metadata import entry_points
from typing import Final, Protocol

import reka

ADAPTERS: Final = {"LangChain": "langchain-reka", "LlamaIndex": "llamaindex-reka"}
"""The distribution that connects each framework to Reka."""

_GROUP: Final = "reka.demo"


class FrameworkDemo(Protocol):
    """The module that an adapter's entry point of the group `reka.demo` names; the point has the framework's name.

    Attributes:
        QUESTION: The question that `ask` puts.
        CODE: The calls that `ask` makes, in short.
    """

    QUESTION: str
    CODE: str

    def ask(self, base_url: str, dataset: str) -> tuple[str, list[reka.RetrievedChunk]]:
        """Put the question to a server about a dataset; return the answer and the retrieved chunks."""
        ...


def load_demo(framework: str) -> FrameworkDemo | None:
    """Import the demo of a framework's adapter; None if the adapter or the framework is not installed."""
    for entry_point in entry_points(group=_GROUP, name=framework):
        try:
            demo: FrameworkDemo = entry_point.load()
        except ModuleNotFoundError:
            return None
        return demo
    return None
