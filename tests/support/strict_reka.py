"""A host of the 2025 form: the completions endpoint with limits of its own, and the documented chat beside it.

Run it as a process with `python -m tests.support.strict_reka`; its first line is its address.
"""

import mimetypes
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import Field, PositiveInt

from reka.testing import Answer, RecordedRequest, answer
from tests.support.strict_answers import ModelAnswer, empty_chunks, response_chunks
from tests.support.strict_host import CHAT, MODELS, Reply, StrictHost, json_body, run
from tests.support.strict_models import REKA_MODELS, Model
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
    check_form,
)

V0_CHAT: Final = "POST /chat"
V0_MODELS: Final = "GET /models"
V1_ALONE: Final = (CHAT, MODELS)
"""Endpoints of a host that no longer has the documented ones."""


class _Image(Strict):
    type: Literal["image_url"]
    image_url: Address


class _Video(Strict):
    type: Literal["video_url"]
    video_url: Address


class _Audio(Strict):
    type: Literal["audio_url"]
    audio_url: Address


class _Pdf(Strict):
    type: Literal["pdf_url"]
    pdf_url: Address


_Part: TypeAlias = Annotated[Text | _Image | _Video | _Audio | _Pdf, Field(discriminator="type")]


class _User(Strict):
    role: Literal["user"]
    content: Annotated[list[_Part], AsParts, Field(min_length=1)]


_Message: TypeAlias = Annotated[_User | Assistant, Field(discriminator="role")]


class _Tool(Strict):
    name: Name
    description: str | None = None
    parameters: JsonSchema | None = None


class _Body(ChatBody):
    messages: Annotated[list[_Message], Field(min_length=1)]
    tools: list[_Tool] | None = None
    tool_choice: Literal["auto", "none", "tool"] | None = None


class _HumanTurn(Strict):
    type: Literal["human"]
    text: str
    media_url: Address | None = None


class _ModelTurn(Strict):
    type: Literal["model"]
    text: str


_Turn: TypeAlias = Annotated[_HumanTurn | _ModelTurn, Field(discriminator="type")]


class V0Body(Strict):
    conversation_history: Annotated[list[_Turn], Field(min_length=1)]
    model_name: Name = "reka-flash"
    stop_words: list[str] | None = None
    retrieval_dataset: Name | None = None
    request_output_len: PositiveInt | None = None
    temperature: float | None = None
    random_seed: int | None = None
    runtime_top_k: int | None = None
    runtime_top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    length_penalty: float | None = None


class StrictReka(StrictHost):
    """A host of the 2025 form; see `StrictHost` for its options.

    With `endpoints=V1_ALONE` it has no documented chat.
    """

    default_models: ClassVar[Sequence[Model]] = REKA_MODELS
    default_key_headers: ClassVar[Collection[str]] = ("x-api-key",)
    default_endpoints: ClassVar[Collection[str]] = (*V1_ALONE, V0_CHAT, V0_MODELS)

    def handlers(self) -> dict[str, Callable[[RecordedRequest], Reply]]:
        return {
            **super().handlers(),
            V0_CHAT: self.v0_chat,
            V0_MODELS: lambda _: answer(200, list(self.models)),
        }

    def model_list(self) -> object:
        return [{"id": name} for name in self.models]

    def check(self, body: Mapping[str, Any]) -> None:
        _fail_on_call_id(body)
        form = check_form(_Body, body)
        roles = [message.role for message in form.messages]
        if roles[0] != "user" or any(role == next_role for role, next_role in pairwise(roles)):
            raise RefusalError(400, "messages: want the roles user and assistant in turn, user first", "messages")
        if form.tool_choice == "tool" and not form.tools:
            raise RefusalError(400, "tool_choice: only with tools", "tool_choice")

    def chunks(self, body: Mapping[str, Any], result: ModelAnswer) -> Iterator[dict[str, Any]]:
        *before, last = empty_chunks(result) if body.get("tools") else response_chunks(result)
        yield from before
        yield {**last, "usage": result.usage}

    def v0_chat(self, request: RecordedRequest) -> Answer:
        """Answer a chat of the documented endpoint."""
        form = check_form(V0Body, json_body(request))
        turns = form.conversation_history
        kinds = [turn.type for turn in turns]
        if kinds[0] != "human" or any(kind == next_kind for kind, next_kind in pairwise(kinds)):
            raise RefusalError(400, "conversation_history: want human and model in turn, human first")
        if any(isinstance(turn, _HumanTurn) and turn.media_url for turn in turns[1:]):
            raise RefusalError(400, "conversation_history: media_url stands in the first turn only")
        if form.retrieval_dataset is not None:
            raise RefusalError(404, f"There is no dataset {form.retrieval_dataset}")
        limit = {} if form.request_output_len is None else {"max_tokens": form.request_output_len}
        stop = {"stop": form.stop_words} if form.stop_words else {}
        body = {"model": form.model_name, "messages": [_as_message(turn) for turn in turns], **limit, **stop}
        return answer(200, {"type": "model", "text": self.generate(body).completion.text})

    def refusal(self, path: str, error: RefusalError) -> Answer:
        if path.startswith("/v1/"):
            return super().refusal(path, error)
        status = 422 if error.faults else error.status
        return answer(status, {"detail": error.faults or str(error)})


def _fail_on_call_id(body: Mapping[str, Any]) -> None:
    """Fail, as the host does on a user message that names a tool call."""
    messages = body.get("messages") if isinstance(body, Mapping) else None
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, Mapping) and message.get("role") == "user" and "tool_call_id" in message:
            raise RefusalError(500, "Internal Server Error")


def _as_message(turn: _Turn) -> dict[str, Any]:
    if isinstance(turn, _ModelTurn):
        return {"role": "assistant", "content": turn.text}
    if turn.media_url is None:
        return {"role": "user", "content": turn.text}
    family = (mimetypes.guess_type(turn.media_url)[0] or "image/*").partition("/")[0]
    kind = f"{'pdf' if family == 'application' else family}_url"
    return {"role": "user", "content": [{"type": kind, kind: turn.media_url}, {"type": "text", "text": turn.text}]}


if __name__ == "__main__":
    run(StrictReka)
