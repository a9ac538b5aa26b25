"""The rule-based test model's view of a request and of its answer, free of any wire format."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """A tool the model calls."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def json(self) -> str:
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True)
class Tool:
    """A tool the model may call."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Message:
    """One message, in whichever form it was sent."""

    role: str
    """`system`, `user`, `assistant` or `tool`."""
    text: str
    media: tuple[str, ...] = ()
    """Kinds of the media in it: `image`, `video`, `audio`, `pdf`."""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """A request to the model."""

    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    choice: str = "auto"
    """`auto`, `none`, `required`, or the name of the tool that must be called."""
    schema: Mapping[str, Any] | None = None
    """JSON schema that the answer must follow; empty for any JSON object."""

    @property
    def system(self) -> str:
        return "\n".join(message.text for message in self.messages if message.role == "system")

    @property
    def last_user_text(self) -> str:
        """The text of the last user message."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def question(self) -> str:
        """The last user text without the passages that a server puts before it."""
        return self.last_user_text.rpartition("</passages>\n\nQuestion: ")[2]

    @property
    def everything(self) -> str:
        return "\n".join(message.text for message in self.messages)

    @property
    def results(self) -> list[str]:
        """The tools' results after the last user text."""
        found: list[str] = []
        for message in self.messages:
            if message.role == "user":
                found = []
            elif message.role == "tool":
                found.append(message.text)
        return found


@dataclass(frozen=True)
class Reply:
    """The model's answer: a text, or tools to call."""

    text: str = ""
    calls: tuple[Call, ...] = ()
