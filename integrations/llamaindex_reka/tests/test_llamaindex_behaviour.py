"""What a model does in every way of asking and with every type of block, on both generations of the API.

The server speaks both, and has a language model behind it that follows rules.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

import reka
from llamaindex_reka import RekaLLM
from tests.support.clients import KEY

from .llamaindex_support import WAYS, items

# LlamaIndex's structured LLMs use what pydantic has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")

GENERATIONS = ["v0", "v1"]
QUESTION = "My name is John. What is my name?"
ANSWER = "Your name is John."
PDF = b"%PDF-1.4\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Song(BaseModel):
    """A song."""

    title: str
    seconds: int


class Album(BaseModel):
    """A record with songs on it."""

    name: str
    songs: list[Song]


LETTER = "I like the album 'Blue' and its song 'Carey' of 180 seconds."
ALBUM = Album(name="Blue", songs=[Song(title="Carey", seconds=180)])


@pytest.fixture(params=GENERATIONS)
async def llm(request: pytest.FixtureRequest, served: str) -> AsyncIterator[RekaLLM]:
    model = RekaLLM(api=request.param, base_url=served, api_key=KEY)
    yield model
    await model.aclose()


def user(*blocks: Any) -> ChatMessage:
    return ChatMessage(role=MessageRole.USER, blocks=list(blocks))


def said(*blocks: Any) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=list(blocks))


def text(content: str) -> TextBlock:
    return TextBlock(text=content)


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_of_asking_gives_the_answer_and_its_token_counts(llm: RekaLLM, way: str) -> None:
    answer = await items(getattr(llm, way)(QUESTION if "complete" in way else [user(text(QUESTION))]))

    whole = answer[-1].text if "complete" in way else answer[-1].message.content
    assert whole == ANSWER
    assert answer[-1].additional_kwargs["total_tokens"] == answer[-1].raw["usage"]["total_tokens"] > 0
    if "stream" in way:
        assert "".join(item.delta for item in answer) == ANSWER


@pytest.mark.parametrize("way", [f"{start}chat_with_tools" for start in ("", "a", "stream_", "astream_")])
async def test_tools_are_called_on_v1_and_refused_on_v0(llm: RekaLLM, way: str) -> None:
    asked = (getattr(llm, way), [FunctionTool.from_defaults(add)], "Add 3 and 4.")

    if llm.api == "v0":
        with pytest.raises(reka.UnsupportedRequestError, match="tools"):
            await items(asked[0](*asked[1:]))
        return
    response = (await items(asked[0](*asked[1:])))[-1]
    (selection,) = llm.get_tool_calls_from_response(response)
    assert (selection.tool_name, selection.tool_kwargs) == ("add", {"a": 3, "b": 4})


@pytest.mark.parametrize("way", [f"{start}structured_predict" for start in ("", "a", "stream_", "astream_")])
async def test_structured_output_is_a_nested_model(llm: RekaLLM, way: str) -> None:
    answer = await items(getattr(llm, way)(Album, PromptTemplate("Write down an album: {letter}"), letter=LETTER))

    assert answer[-1] == ALBUM


@pytest.mark.parametrize("way", ["chat", "complete", "stream_chat", "achat", "acomplete", "astream_chat"])
async def test_a_structured_llm_answers_with_a_nested_model(llm: RekaLLM, way: str) -> None:
    asked = LETTER if "complete" in way else [user(text(LETTER))]

    answer = await items(getattr(llm.as_structured_llm(Album), way)(asked))

    assert answer[-1].raw == ALBUM


CALL = ToolCallBlock(tool_call_id="c-1", tool_name="add", tool_kwargs={"a": 3, "b": 4})
RESULT = ChatMessage(role=MessageRole.TOOL, content="7", additional_kwargs={"tool_call_id": "c-1"})
BLOCKS = [
    pytest.param([user(text(QUESTION))], ANSWER, id="text"),
    pytest.param([user(ImageBlock(image=PNG), text("What is this?"))], "1 image", id="image"),
    pytest.param([user(VideoBlock(url="https://e.com/a.mp4"), text("What is this?"))], "1 video", id="video"),
    pytest.param([user(AudioBlock(url="https://e.com/a.wav"), text("What is this?"))], "1 audio", id="audio"),
    pytest.param([user(DocumentBlock(data=PDF), text("What is this?"))], "1 pdf", id="document, a PDF"),
    pytest.param(
        [user(DocumentBlock(data=b"My name is John."), text("What is my name?"))], ANSWER, id="document, text"
    ),
    pytest.param(
        [user(text("My name is John.")), said(ThinkingBlock(content="hm"), text("Hi")), user(text("What is my name?"))],
        ANSWER,
        id="thinking",
    ),
    pytest.param(
        [user(CachePoint(cache_control=CacheControl(type="ephemeral")), text(QUESTION))], ANSWER, id="cache point"
    ),
    pytest.param(
        [user(CitableBlock(title="a", source="b", content=[text("My name is John.")]), text("What is my name?"))],
        ANSWER,
        id="citable",
    ),
    pytest.param(
        [
            user(text("My name is John.")),
            said(
                text("Hi"), CitationBlock(title="a", source="b", cited_content=text("Hi"), additional_location_info={})
            ),
            user(text("What is my name?")),
        ],
        ANSWER,
        id="citation",
    ),
]


@pytest.mark.parametrize(("messages", "answer"), BLOCKS)
async def test_every_type_of_block_reaches_the_model(
    llm: RekaLLM, messages: Sequence[ChatMessage], answer: str
) -> None:
    response = await llm.achat(messages)

    assert answer in (response.message.content or "")


@pytest.mark.parametrize("way", ["chat", "stream_chat", "achat", "astream_chat"])
async def test_blocks_reach_the_model_by_every_method(llm: RekaLLM, way: str) -> None:
    messages = [user(DocumentBlock(data=b"My name is John."), text("What is my name?"))]

    response = (await items(getattr(llm, way)(messages)))[-1]

    assert response.message.content == ANSWER


async def test_a_tool_call_and_its_result_reach_the_model_on_v1_and_are_refused_on_v0(llm: RekaLLM) -> None:
    asked = [user(text("Add 3 and 4.")), said(CALL), RESULT]

    if llm.api == "v0":
        with pytest.raises(reka.InvalidConversationError, match=r"message 1, block 0 \(type 'tool_call'\)"):
            await llm.achat(asked)
    else:
        assert (await llm.achat(asked)).message.content == "The result is 7."


def test_the_table_has_every_type_of_block_that_llamaindex_has() -> None:
    fields = ChatMessage.model_fields["blocks"].annotation
    known = {kind.model_fields["block_type"].default for kind in _members(fields)}

    seen = {block.block_type for row in BLOCKS for message in row.values[0] for block in message.blocks}  # type: ignore[union-attr]  # rows of messages
    assert seen | {CALL.block_type} == known


def _members(annotation: Any) -> set[Any]:
    """The models that an annotation such as `list[Annotated[Union[...], ...]]` names."""
    inner = getattr(annotation, "__args__", ())
    if not inner:
        return {annotation} if isinstance(annotation, type) and issubclass(annotation, BaseModel) else set()
    return set().union(*map(_members, inner))
