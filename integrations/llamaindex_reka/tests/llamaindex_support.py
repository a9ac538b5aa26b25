"""What the tests of the LlamaIndex adapter share: how models are made, asked and answered."""

import base64
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from llama_index.core import Document
from llama_index.core.base.llms.types import TextBlock
from llama_index.core.llms import ChatMessage, MessageRole

from llamaindex_reka import RekaIndex, RekaLLM
from reka.testing import FakeReka, bodies

MakeLLM: TypeAlias = Callable[..., RekaLLM]
"""Makes models of the scripted server; see the fixture `llm`."""

MakeIndex: TypeAlias = Callable[..., RekaIndex]
"""Makes indexes on a server with the rule-based model behind it; see the fixture `make`."""

LAMP: Final = [
    Document(text="To reset the lamp, hold the button for ten seconds.", id_="reset", metadata={"page": 3}),
    Document(text="The lamp draws five watts from any USB port.", id_="power"),
    Document(text="Wipe the shade with a dry cloth.", id_="care/cleaning"),
]
RESET: Final = "How do I reset the lamp?"

_METHODS: Final = ("chat", "complete", "stream_chat", "stream_complete")
WAYS: Final = (*_METHODS, *(f"a{method}" for method in _METHODS))
"""The eight methods that ask a model."""

HI: Final = [ChatMessage(content="Hi")]

URL: Final = "https://example.com/cat.png"
PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(16)
MP4: Final = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(8)
WAV: Final = b"RIFF\x24\0\0\0WAVEfmt " + bytes(24)
PDF: Final = b"%PDF-1.7 \xff\xfe"


def completion(text: str = "Hello!", finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """A whole answer of the completions endpoint."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return {**bodies.completion(finish_reason, content=text, **message), "usage": usage}


def events(*documents: Any) -> bytes:
    """The body of a whole streamed answer."""
    return bodies.events(*documents) + bodies.DONE


def sent(fake: FakeReka, index: int = -1) -> Any:
    """The body of a request: the last one, or the one with this index."""
    return fake.requests[index].json


async def items(answer: Any) -> list[Any]:
    """All items of an answer, whole or streamed, synchronous or not."""
    if inspect.isawaitable(answer):
        answer = await answer
    if hasattr(answer, "__aiter__"):
        return [item async for item in answer]
    return list(answer) if isinstance(answer, Iterator) else [answer]


async def ask(model: RekaLLM, way: str, **parameters: Any) -> list[Any]:
    """Ask by one of the eight methods; return all items of the answer."""
    return await items(getattr(model, way)("Hi" if "complete" in way else HI, **parameters))


def text_of(item: Any) -> str:
    """The text of a response to a chat or to a completion."""
    return str(item.text if hasattr(item, "text") else item.message.content)


def will_say_hello(fake: FakeReka, way: str) -> None:
    """Script the answer "Hello!" for one of the eight methods."""
    if "stream" in way:
        parts = (bodies.chunk(content="Hel"), bodies.chunk(content="lo!"))
        fake.will_stream(events(*parts, bodies.chunk("stop") | {"usage": completion()["usage"]}))
    else:
        fake.will_answer(200, completion())


def said(role: str, *content: Any, **additional_kwargs: Any) -> ChatMessage:
    blocks = [TextBlock(text=item) if isinstance(item, str) else item for item in content]
    return ChatMessage(role=MessageRole(role), blocks=blocks, additional_kwargs=additional_kwargs)


def text(content: str) -> dict[str, str]:
    return {"type": "text", "text": content}


def part(kind: str, url: str) -> dict[str, str]:
    return {"type": kind, kind: url}


def data_url(mime_type: str, content: bytes) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(content).decode()}"
