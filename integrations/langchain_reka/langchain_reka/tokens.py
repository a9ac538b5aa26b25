"""How many tokens something is: an estimate, for Reka publishes no tokenizer that comes with a package."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.utils.function_calling import convert_to_openai_tool


def estimate_tokens(text: str | BaseMessage | Sequence[BaseMessage]) -> int:
    """Estimate the tokens of a text, of a message, or of a list of messages."""
    if isinstance(text, str):
        return count_tokens_approximately([text], extra_tokens_per_message=0)
    return count_tokens_approximately([text] if isinstance(text, BaseMessage) else text)


def estimated_with_tools(messages: Sequence[BaseMessage], tools: Sequence[Any] | None) -> int:
    """Estimate the tokens of messages and of the tools that are sent with them."""
    formatted: list[Any] | None = None if tools is None else [convert_to_openai_tool(tool) for tool in tools]
    return count_tokens_approximately(messages, tools=formatted)
