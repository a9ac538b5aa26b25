"""Structured output: which classes, by a schema or a forced tool, whole and streamed, and what is refused."""

import datetime as dt
import enum
import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

import reka
from llamaindex_reka import RekaLLM
from reka.testing import FakeReka
from reka.testing.bodies import call_pieces, chunk, tool_call
from tests.support.strict_openai import StrictOpenAI
from tests.support.strict_reka import StrictReka

from .llamaindex_support import MakeLLM, completion, events, items, sent

pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")

T = TypeVar("T")
TEXT = PromptTemplate("{text}")
SCHEMA_MODEL, TOOL_MODEL = "reka-flash-3", "qwen3.8-27b"


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Song(BaseModel):
    """A song."""

    title: str
    seconds: int


class Cover(BaseModel):
    model_config = ConfigDict(strict=True)

    color: Color
    day: dt.date


class Album(BaseModel):
    name: str
    cover: Cover
    songs: list[Song]


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


class Result(BaseModel, Generic[T]):
    content: T


class Renamed(BaseModel):
    title: str = Field(alias="theTitle")


class SongOrCover(RootModel[Song | Cover]):
    pass


class Numbers(RootModel[list[int]]):
    pass


SONG: dict[str, Any] = {"title": "Carey", "seconds": 180}
COVER = {"color": "blue", "day": "2024-01-31"}
OUTPUTS: list[tuple[type[BaseModel], Any]] = [
    (Song, SONG),
    (Album, {"name": "Blue", "cover": COVER, "songs": [SONG]}),
    (Tree, {"name": "a", "children": [{"name": "b", "children": []}]}),
    (Result[int], {"content": 3}),
    (Result[Song], {"content": SONG}),
    (Renamed, {"theTitle": "Carey"}),
    (SongOrCover, SONG),
    (SongOrCover, COVER),
    (Numbers, [3, 4]),
]
AskFor = Callable[[RekaLLM, type[BaseModel], str], Any]
ASK: dict[str, AskFor] = {
    "structured_predict": lambda model, cls, text: model.structured_predict(cls, TEXT, text=text),
    "astructured_predict": lambda model, cls, text: model.astructured_predict(cls, TEXT, text=text),
    "stream_structured_predict": lambda model, cls, text: model.stream_structured_predict(cls, TEXT, text=text),
    "astream_structured_predict": lambda model, cls, text: model.astream_structured_predict(cls, TEXT, text=text),
    "chat": lambda model, cls, text: model.as_structured_llm(cls).chat([ChatMessage(content=text)]),
    "astream_chat": lambda model, cls, text: model.as_structured_llm(cls).astream_chat([ChatMessage(content=text)]),
}


def will_answer(fake: FakeReka, way: str, model: str, text: str, finish_reason: str = "stop") -> None:
    """Script an answer with this JSON: its text, or the arguments of its tool call."""
    half = len(text) // 2
    if "stream" in way:
        pieces = (
            [chunk(content=text[:half]), chunk(content=text[half:])]
            if model == SCHEMA_MODEL
            else call_pieces(0, "c-1", "output", text[:half], text[half:])
        )
        fake.will_stream(events(*pieces, chunk(finish_reason)))
    elif model == SCHEMA_MODEL:
        fake.will_answer(200, completion(text, finish_reason))
    else:
        call = {"id": "c-1", "type": "function", "function": {"name": "output", "arguments": text}}
        fake.will_answer(200, completion("", finish_reason, tool_calls=[call]))


@pytest.mark.parametrize("way", ASK)
@pytest.mark.parametrize("name", [SCHEMA_MODEL, TOOL_MODEL])
@pytest.mark.parametrize(("cls", "value"), OUTPUTS)
async def test_the_output_is_an_object_of_the_class_whatever_its_schema(
    fake: FakeReka, llm: MakeLLM, cls: type[BaseModel], value: Any, name: str, way: str
) -> None:
    held = {"value": value} if issubclass(cls, RootModel) else value
    will_answer(fake, way, name, json.dumps(held))
    model = llm(model=name)

    *_, last = await items(ASK[way](model, cls, "Hi"))
    await model.aclose()

    assert (last.raw if "chat" in way else last) == cls.model_validate_json(json.dumps(value))
    body = sent(fake)
    schema = (
        body["response_format"]["json_schema"]["schema"]
        if name == SCHEMA_MODEL
        else body["tools"][0]["function"]["parameters"]
    )
    assert schema["type"] == "object"
    assert "$ref" not in schema


@pytest.mark.parametrize(
    ("start", "name"),
    [
        *((StrictOpenAI, name) for name in ("reka-edge-2603", SCHEMA_MODEL, TOOL_MODEL)),
        (StrictReka, "reka-flash"),
        (StrictReka, "reka-flash-research"),
    ],
)
def test_each_host_takes_the_schemas_and_names_of_all_classes(
    llm: MakeLLM, start: Callable[[], StrictOpenAI | StrictReka], name: str
) -> None:
    with start() as host:
        model = llm(base_url=host.url, model=name)
        for cls, value in OUTPUTS:
            *_, streamed = model.stream_structured_predict(cls, TEXT, text=json.dumps(value))
            whole = model.structured_predict(cls, TEXT, text=json.dumps(value))
            assert isinstance(streamed, cls)
            assert whole == streamed


@pytest.mark.parametrize("name", [SCHEMA_MODEL, TOOL_MODEL])
@pytest.mark.parametrize("way", ["stream_structured_predict", "astream_structured_predict"])
async def test_a_stream_shows_each_state_of_the_object_once(fake: FakeReka, llm: MakeLLM, name: str, way: str) -> None:
    parts = ['{"title": "Ca', 'rey", ', '"seconds"', ": 180", "}"]
    pieces = [chunk(content=part) for part in parts] if name == SCHEMA_MODEL else call_pieces(0, "c-1", "Song", *parts)
    fake.will_stream(events(*pieces, chunk("stop")))
    model = llm(model=name)

    *states, last = await items(ASK[way](model, Song, "Hi"))
    await model.aclose()

    assert [state.model_dump(exclude_none=True) for state in states] == [
        {"title": "Ca"},
        {"title": "Carey"},
    ]
    assert last == Song(title="Carey", seconds=180)


@pytest.mark.parametrize("name", [SCHEMA_MODEL, TOOL_MODEL])
@pytest.mark.parametrize("way", ASK)
@pytest.mark.parametrize(
    ("text", "finish_reason"),
    [('{"title": "Ca', "length"), ('{"title": "C", "seconds": NaN}', "stop"), ("[1]", "stop")],
)
async def test_an_answer_without_a_complete_object_is_an_error_also_at_the_end_of_a_stream(
    fake: FakeReka, llm: MakeLLM, text: str, finish_reason: str, way: str, name: str
) -> None:
    will_answer(fake, way, name, text, finish_reason)
    model = llm(model=name)

    with pytest.raises(reka.UnexpectedResponseError, match=f"finish reason: {finish_reason}.* complete JSON object"):
        await items(ASK[way](model, Song, "Hi"))
    await model.aclose()


@pytest.mark.parametrize("way", ["structured_predict", "stream_structured_predict"])
async def test_an_object_of_another_form_is_an_error_that_names_the_field(
    fake: FakeReka, llm: MakeLLM, way: str
) -> None:
    will_answer(fake, way, SCHEMA_MODEL, '{"title": "Carey"}')

    with pytest.raises(ValidationError, match=r"(?s)Song.*seconds"):
        await items(ASK[way](llm(model=SCHEMA_MODEL), Song, "Hi"))


def test_words_instead_of_the_forced_call_are_an_error_that_shows_them(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion("I would rather not."))

    with pytest.raises(reka.UnexpectedResponseError, match=r"output_cls Song: got the answer .I would"):
        llm(model=TOOL_MODEL).structured_predict(Song, TEXT, text="Hi")


def test_names_of_tools_and_schemas_have_no_brackets(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion('{"content": [1]}'))
    fake.will_answer(200, completion("", tool_calls=[tool_call("c-1", "Result_list_int", content=[1])]))

    for name in (SCHEMA_MODEL, TOOL_MODEL):
        llm(model=name).structured_predict(Result[list[int]], TEXT, text="Hi")

    assert sent(fake, 0)["response_format"]["json_schema"]["name"] == "Result_list_int"
    assert sent(fake, 1)["tools"][0]["function"]["name"] == "Result_list_int"


class Callback(BaseModel):
    call: Callable[[int], int]


class Limit(BaseModel):
    most: float = float("inf")


@pytest.mark.parametrize("way", ASK)
@pytest.mark.parametrize(
    ("wrong", "error"), [(Callback, "got Callback, which has no JSON"), (Limit, "got Limit, which")]
)
async def test_a_class_that_no_schema_describes_is_refused_by_its_name(
    fake: FakeReka, llm: MakeLLM, wrong: Any, error: str, way: str
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=f"output_cls: {error}"):
        await items(ASK[way](llm(), wrong, "Hi"))
    assert fake.requests == []


def test_what_is_no_class_of_pydantic_is_refused(fake: FakeReka, llm: MakeLLM) -> None:
    wrong: Any
    for wrong in (dict, Song(**SONG), None):
        with pytest.raises(reka.InvalidArgumentError, match=r"output_cls: got .*, want a class of pydantic"):
            llm().structured_predict(wrong, TEXT, text="Hi")
    assert fake.requests == []


def test_a_model_with_neither_schemas_nor_tools_gets_the_schema_in_the_prompt(fake: FakeReka, llm: MakeLLM) -> None:
    for _ in range(2):
        fake.will_answer(200, completion(json.dumps(SONG)))
    fake.will_answer(200, {"type": "model", "text": json.dumps(SONG)})

    for parameters in ({"is_function_calling_model": False}, {"pydantic_program_mode": "llm"}, {"api": "v0"}):
        # LlamaIndex's program sets a parser on the template.
        assert llm(**parameters).structured_predict(Song, PromptTemplate("{text}"), text="Hi") == Song(**SONG)

    assert not {"tools", "response_format"} & {name for request in fake.requests for name in request.json}


def test_arguments_of_the_chat_are_sent_with_the_request_for_the_object(fake: FakeReka, llm: MakeLLM) -> None:
    fake.will_answer(200, completion(json.dumps(SONG)))
    model = llm(system_prompt="Be brief.")

    model.structured_predict(Song, TEXT, llm_kwargs={"model": SCHEMA_MODEL, "seed": 3, "tool_choice": "x"}, text="Hi")

    assert (sent(fake)["model"], sent(fake)["seed"], "tool_choice" in sent(fake)) == (SCHEMA_MODEL, 3, False)
    assert [message["content"] for message in sent(fake)["messages"]] == ["Be brief.", "Hi"]
