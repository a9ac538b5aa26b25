"""Token estimates: Reka publishes no tokenizer as a package."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.utils.function_calling import convert_to_openai_tool


def estimate_tokens(text: str | BaseMessage | Sequence[BaseMessage]) -> int:
    """Estimate the tokens of a text, a message or a list of messages."""
    if isinstance(text, str):
        return count_tokens_approximately([text], extra_tokens_per_message=0)
    return count_tokens_approximately([text] if isinstance(text, BaseMessage) else text)


def estimate_tokens_with_tools(messages: Sequence[BaseMessage], tools: Sequence[Any] | None) -> int:
    """Estimate the tokens of messages and of the tools that are sent with them."""
    openai_tools: list[Any] | None = None if tools is None else [convert_to_openai_tool(tool) for tool in tools]
    return count_tokens_approximately(messages, tools=openai_tools)
