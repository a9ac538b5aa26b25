"""Requests as they arrived, for tests to look at."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import Any

from reka._protocol.messages import text_of


@dataclass(frozen=True)
class RecordedRequest:
    """A request as it arrived."""

    method: str
    """`GET`, `POST` and so on."""

    path: str
    """Path and query."""

    headers: Mapping[str, str]
    """Headers by their names in lower case; several of one name are joined by commas."""

    body: bytes
    """The body; empty if there is none."""

    @property
    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is no JSON.
        """
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, Message]:
        """The parts of a multipart body, by name."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        parts = [part for part in message_from_bytes(head + self.body).walk() if not part.is_multipart()]
        return {str(part.get_param("name", header="content-disposition")): part for part in parts}

    @property
    def question(self) -> str:
        """Text of the user's last turn or message, at any endpoint; empty if the request has none."""
        body = self.json if self.body else {}
        if turns := body.get("conversation_history"):
            return next((str(turn["text"]) for turn in reversed(turns) if turn["type"] == "human"), "")
        messages = body.get("messages") or ()
        return next((text_of(message["content"]) for message in reversed(messages) if message["role"] == "user"), "")
