"""What the tests of `ChatReka` share: how models are made, asked and answered."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage

from langchain_reka import ChatReka

MakeModel: TypeAlias = Callable[..., ChatReka]
"""Makes models of one server; see the fixtures `make_model` and `rule_model`."""

IMAGE: Final[dict[str, Any]] = {"type": "image", "url": "https://example.com/cat.png"}
TOOL: Final[dict[str, Any]] = {"name": "look", "description": "", "parameters": {"type": "object", "properties": {}}}


def ask(model: Any, call: str, question: Any, **parameters: Any) -> AIMessage:
    """Call a model, bound or not, in one of its four ways; the chunks of a stream are added up."""

    async def streamed() -> AIMessage:
        chunks = [chunk async for chunk in model.astream(question, **parameters)]
        message: AIMessage = chunks[0] + chunks[1:]
        return message

    ways: dict[str, Callable[[], AIMessage]] = {
        "invoke": lambda: model.invoke(question, **parameters),
        "ainvoke": lambda: asyncio.run(model.ainvoke(question, **parameters)),
        "stream": lambda: (lambda chunks: chunks[0] + chunks[1:])(list(model.stream(question, **parameters))),
        "astream": lambda: asyncio.run(streamed()),
    }
    return ways[call]()
