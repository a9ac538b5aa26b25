"""Generation A of the API, the documented one: what its bodies look like, both ways."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, cast

from reka._protocol.checks import require_utf8
from reka._protocol.models import listed_models, read_model
from reka._protocol.responses import read_turn_usage
from reka._protocol.sampling import V0_NAMES
from reka._wire.failures import error_in_answer
from reka._wire.json_reply import read_json
from reka._wire.reply import Reply, unexpected
from reka._wire.shapes import BOOLEAN, OBJECT, STRING, any_of, list_of, object_with, optional
from reka.errors import InvalidArgumentError
from reka.types import (
    ChatCompletion,
    DatasetResult,
    Model,
    ModelTurn,
    PrepareRetrievalStatusResponse,
    RetrievedChunk,
    Usage,
)

_KNOWN: Final = frozenset({"type", "text", "finish_reason", "usage", "retrieved_chunks"})
_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ASCII_JSON: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_TEXT_NAMES: Final = ("text", "chunk", "content")
_SOURCE_NAMES: Final = ("source", "source_document", "sourceDocument", "filename", "file_name", "document")


_CHAT: Final = object_with(text=STRING)
_NAMES: Final = list_of(STRING)
_MODELS: Final = any_of(list, dict)
_DATASET: Final = object_with(name=STRING, ok=BOOLEAN, info=STRING)
_STATUS: Final = object_with(job_status=STRING, detail=optional(STRING), history=optional(list_of(OBJECT)))
_ABOUT: Final = object_with(features=optional(list_of(STRING)))


def json_body(document: Mapping[str, object], arguments: Callable[[], Mapping[str, object]] | None = None) -> bytes:
    """Write a request's body. Surrogates, which UTF-8 cannot write, are escaped where they are allowed.

    Args:
        document: The body.
        arguments: Returns those arguments, by their names, whose texts UTF-8 must be able to write; None if they are
            the body's own fields.

    Raises:
        InvalidArgumentError: Something in it is no JSON value, or a text that UTF-8 cannot write.
    """
    try:
        return _JSON.encode(document).encode()
    except UnicodeEncodeError:
        require_utf8(document if arguments is None else arguments())
        return _ASCII_JSON.encode(document).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"the request cannot be written as JSON: {error}") from error


def chat_body(
    turns: list[dict[str, str]],
    model: str,
    stop: list[str],
    options: Mapping[str, Any],
    extra: Mapping[str, Any],
    arguments: Callable[[], Mapping[str, object]],
) -> bytes:
    """Write the body of `POST /chat`; the options come under their names in the messages API."""
    body: dict[str, Any] = {"conversation_history": turns, "model_name": model, "stop_words": stop}
    for name, value in options.items():
        body[V0_NAMES.get(name, name)] = value
    body.update(extra)
    return json_body(body, arguments)


def read_chat(reply: Reply) -> ChatCompletion:
    """Read the answer of `POST /chat`, with what servers send beyond the documented turn."""
    answer: Mapping[str, Any] = read_json(reply, _CHAT, "a model turn")
    reason = answer.get("finish_reason")
    usage = read_turn_usage(answer)
    return ChatCompletion(
        text=answer["text"],
        finish_reason=reason if isinstance(reason, str) else None,
        usage=usage,
        request_id=reply.request_id,
        retrieved_chunks=read_chunks(answer.get("retrieved_chunks")),
        extra=other_fields(answer, _KNOWN, usage),
    )


def other_fields(answer: Mapping[str, Any], known: frozenset[str], usage: Usage | None) -> dict[str, Any]:
    """The fields of an answer that have no place of their own, and its usage if it could not be read."""
    fields = {name: value for name, value in answer.items() if name not in known}
    if usage is None and answer.get("usage"):
        fields["usage"] = answer["usage"]
    return fields


def as_turn(completion: ChatCompletion) -> ModelTurn:
    """The turn of an answer: `type`, `text`, and every other field that the server sent.

    What only answers of the completions endpoint have stands under its name in `ChatCompletion`.
    """
    turn: dict[str, Any] = {"type": "model", "text": completion.text}
    if completion.retrieved_chunks is not None:
        turn["retrieved_chunks"] = completion.retrieved_chunks
    if completion.finish_reason is not None:
        turn["finish_reason"] = completion.finish_reason
    usage = completion.usage
    if usage is not None and usage.raw:
        cost = {} if usage.cost is None else {"cost": usage.cost}
        turn["usage"] = {
            **usage.raw,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            **cost,
        }
    for name in ("model", "id", "reasoning", "logprobs"):
        if value := getattr(completion, name):
            turn[name] = value
    for name in ("tool_calls", "citations"):
        if values := getattr(completion, name):
            turn[name] = [asdict(value) for value in values]
    return cast("ModelTurn", {**turn, **completion.extra, **turn})


def read_chunks(chunks: object) -> list[RetrievedChunk] | None:
    """Read retrieved chunks; None if there is no list of them."""
    return [read_chunk(chunk) for chunk in chunks] if isinstance(chunks, list) else None


def read_chunk(chunk: object) -> RetrievedChunk:
    """Add our names to a retrieved chunk; its shape is not documented, so all that it may be is taken."""
    if not isinstance(chunk, dict):
        return {"text": chunk if isinstance(chunk, str) else json.dumps(chunk)}
    read: dict[str, Any] = {"text": _first_text(chunk, _TEXT_NAMES) or ""}
    source = _first_text(chunk, _SOURCE_NAMES)
    if source is not None:
        read["source"] = source
    return cast("RetrievedChunk", read | chunk | read)


def _first_text(fields: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if isinstance(value := fields.get(name), str)), None)


def read_names(reply: Reply) -> list[str]:
    """Read a JSON list of names."""
    names: list[str] = read_json(reply, _NAMES, "a list of names")
    return names


def read_model_list(reply: Reply) -> list[Model]:
    """Read a list of models in any of its shapes."""
    models = listed_models(read_json(reply, _MODELS, "a list of models"))
    if models is None:
        raise error_in_answer(reply) or unexpected(reply, "a list of models", "it has no list")
    return [read_model(fields) for fields in models.values()]


def read_job_id(reply: Reply) -> str:
    """Read a JSON string."""
    job: str = read_json(reply, STRING, "a job's id")
    return job


def read_dataset_result(reply: Reply) -> DatasetResult:
    """Read what became of a dataset."""
    result: DatasetResult = read_json(reply, _DATASET, "an object with name, ok and info")
    return result


def read_status(reply: Reply) -> PrepareRetrievalStatusResponse:
    """Read a job's status; fields that we do not know are left out."""
    status = read_json(reply, _STATUS, "a job's status")
    return PrepareRetrievalStatusResponse.from_dict(cast("Mapping[str, Any]", status))


def read_features(reply: Reply) -> frozenset[str]:
    """Read what a server says of itself at `/`: the names of what it can do beyond the documented API."""
    return frozenset(read_json(reply, _ABOUT, "an object").get("features") or ())
