"""A host of the OpenAI form: it takes OpenAI's protocol as it is written, and nothing else.

Run it as a process with `python -m tests.support.strict_openai`; its first line is its address.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import Field

from reka.testing import RecordedRequest, answer
from tests.support.strict_answers import ModelAnswer, response_chunks
from tests.support.strict_host import Reply, StrictHost, run
from tests.support.strict_models import OPENAI_MODELS, Model
from tests.support.strict_wire import (
    Address,
    AsParts,
    Assistant,
    ChatBody,
    JsonSchema,
    Name,
    RefusalError,
    Strict,
    Text,
    Texts,
    check_form,
)

BARE_MODELS: Final = "GET /models"


class _Url(Strict):
    url: Address
    detail: Literal["auto", "low", "high"] | None = None


class _Image(Strict):
    type: Literal["image_url"]
    image_url: _Url


class _Video(Strict):
    type: Literal["video_url"]
    video_url: _Url


class _AudioAddress(Strict):
    type: Literal["audio_url"]
    audio_url: _Url


class _PdfAddress(Strict):
    type: Literal["pdf_url"]
    pdf_url: _Url


class _AudioBytes(Strict):
    data: Name
    format: Name


class _Audio(Strict):
    type: Literal["input_audio"]
    input_audio: _AudioBytes


class _FileBytes(Strict):
    filename: Name
    file_data: Address


class _File(Strict):
    type: Literal["file"]
    file: _FileBytes


_Part: TypeAlias = Annotated[
    Text | _Image | _Video | _AudioAddress | _PdfAddress | _Audio | _File, Field(discriminator="type")
]


class _System(Strict):
    role: Literal["system"]
    content: Texts


class _User(Strict):
    role: Literal["user"]
    content: Annotated[list[_Part], AsParts, Field(min_length=1)]


class _ToolResult(Strict):
    role: Literal["tool"]
    tool_call_id: Name
    content: Texts


_Message: TypeAlias = Annotated[_System | _User | Assistant | _ToolResult, Field(discriminator="role")]


class _Function(Strict):
    name: Name
    description: str | None = None
    parameters: JsonSchema | None = None
    strict: bool | None = None


class _Tool(Strict):
    type: Literal["function"]
    function: _Function


class _FunctionName(Strict):
    name: Name


class _NamedTool(Strict):
    type: Literal["function"]
    function: _FunctionName


class _StreamOptions(Strict):
    include_usage: bool | None = None


class _Body(ChatBody):
    messages: Annotated[list[_Message], Field(min_length=1)]
    tools: Annotated[list[_Tool], Field(min_length=1)] | None = None
    tool_choice: Literal["auto", "none", "required"] | _NamedTool | None = None
    stream_options: _StreamOptions | None = None


class StrictOpenAI(StrictHost):
    """A host of the OpenAI form; see `StrictHost` for its options."""

    default_models: ClassVar[Sequence[Model]] = OPENAI_MODELS
    default_key_headers: ClassVar[Collection[str]] = ("authorization", "x-api-key")

    def handlers(self) -> dict[str, Callable[[RecordedRequest], Reply]]:
        return {**super().handlers(), BARE_MODELS: lambda _: answer(200, self.model_list())}

    def model_list(self) -> object:
        return {"object": "list", "data": [model.details for model in self.models.values()]}

    def check(self, body: Mapping[str, Any]) -> None:
        form = check_form(_Body, body)
        _check_tool_choice(form)
        _check_results(form.messages)
        if form.stream_options is not None and not form.stream:
            raise RefusalError(400, "stream_options: only with stream", "stream_options")

    def chunks(self, body: Mapping[str, Any], result: ModelAnswer) -> Iterator[dict[str, Any]]:
        *before, last = response_chunks(result)
        yield from before
        yield last
        if (body.get("stream_options") or {}).get("include_usage"):
            yield {**last, "choices": [], "usage": result.usage}


def _check_tool_choice(form: _Body) -> None:
    if form.tool_choice is not None and form.tools is None:
        raise RefusalError(400, "tool_choice: only with tools", "tool_choice")
    names = [tool.function.name for tool in form.tools or ()]
    if isinstance(form.tool_choice, _NamedTool) and form.tool_choice.function.name not in names:
        raise RefusalError(400, f"tool_choice: want one of {', '.join(names)}", "tool_choice")


def _check_results(messages: Sequence[_Message]) -> None:
    """Check that each tool call is answered right behind it, and that a result answers a call."""
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        if isinstance(message, _ToolResult):
            if message.tool_call_id not in open_calls:
                detail = f"messages.{index}: no call before it has the tool_call_id {message.tool_call_id}"
                raise RefusalError(400, detail, "messages")
            open_calls.remove(message.tool_call_id)
        else:
            _check_all_answered(index, open_calls)
            calls = message.tool_calls if isinstance(message, Assistant) else None
            open_calls = {call.id for call in calls or ()}
    _check_all_answered(len(messages), open_calls)


def _check_all_answered(index: int, open_calls: Collection[str]) -> None:
    if open_calls:
        detail = f"messages.{index}: want a tool message for {', '.join(sorted(open_calls))} before it"
        raise RefusalError(400, detail, "messages")


if __name__ == "__main__":
    run(StrictOpenAI)
