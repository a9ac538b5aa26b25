"""Every endpoint once, as data: method, path, body, how to read the answer, which errors it has of its own."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Final

from reka._calls.call import Call, Decoder, OwnErrors, StreamCall, Upload, default_errors
from reka._calls.nonempty import NonEmptyDecoder
from reka._inputs import validation
from reka._inputs.chat_request import ChatRequest
from reka._inputs.uploads import Source
from reka._protocol.checks import require_utf8
from reka._protocol.datasets import ALREADY_PREPARED, refusal_code
from reka._protocol.files.litter import note_on_skipped
from reka._protocol.forms import STREAM_OPTIONS, to_openai_messages, to_openai_tools, to_reka_tools
from reka._protocol.messages import to_reka_messages
from reka._protocol.responses import priced
from reka._wire import completions, documented
from reka._wire.completion_stream import CompletionDecoder
from reka._wire.embeddings import embeddings_body, read_embeddings
from reka._wire.failures import OwnError
from reka._wire.paths import path_part, refuse_control_characters
from reka._wire.reply import Reply
from reka.errors import DatasetError, InvalidArgumentError, RekaError, RetrievalError
from reka.types import (
    ChatCompletion,
    DatasetResult,
    Form,
    Model,
    OnProgress,
    PrepareRetrievalStatusResponse,
    StreamEvent,
)

_BAD_DATASET: Final = frozenset({400, 409, 413, 415, 422})
_NO_DATASET_TO_DELETE: Final = "Unable to delete missing dataset."
_NO_DATASET_TO_PREPARE: Final = "Tried to prepare retrieval for non-existent dataset."
_NO_JOB: Final = "Retrieval job not found."
_PREPARED_ALREADY: Final = "Retrieval has already been prepared for this dataset."
"""`reason` of these errors, which programs for `reka-api` 2 may compare."""

_COMPLETIONS: Final = "/v1/chat/completions"


def chat(request: ChatRequest) -> Call[ChatCompletion]:
    """`POST /chat`, the documented endpoint."""
    body = documented.chat_body(
        request.turns, request.model, request.stop, request.options, request.extra, request.arguments
    )
    return Call("POST", "/chat", _completed(request, documented.read_chat), body, _chat_errors(request))


def complete(request: ChatRequest, form: Form) -> Call[ChatCompletion]:
    """`POST /v1/chat/completions`."""
    read = _completed(request, completions.read_completion)
    return Call("POST", _COMPLETIONS, read, _body(request, form, stream=False), _chat_errors(request), form=form)


def stream_completion(request: ChatRequest, form: Form, *, refuse_empty: bool = False) -> StreamCall[StreamEvent]:
    """`POST /v1/chat/completions`, streamed.

    Args:
        request: The request.
        form: How to write it.
        refuse_empty: Whether a stream without content raises `EmptyStreamError`.
    """
    read = _completed(request, completions.read_completion)

    def decoder(reply: Reply) -> Decoder[StreamEvent]:
        completion = CompletionDecoder(reply.request_id, reply.request_line, request.retrieved_chunks, request.pricing)
        return NonEmptyDecoder(completion) if refuse_empty else completion

    return StreamCall(
        "POST",
        _COMPLETIONS,
        lambda reply: completions.as_events(read(reply)),
        _body(request, form, stream=True),
        _chat_errors(request),
        form=form,
        decoder=decoder,
    )


def get_models() -> Call[list[Model]]:
    """`GET /models`."""
    return Call("GET", "/models", documented.read_model_list)


def get_v1_models() -> Call[list[Model]]:
    """`GET /v1/models`."""
    return Call("GET", "/v1/models", documented.read_model_list)


def embed(texts: Sequence[str], model: str | None) -> Call[list[list[float]]]:
    """`POST /v1/embeddings`."""
    body = embeddings_body(texts, model)
    return Call("POST", "/v1/embeddings", lambda reply: read_embeddings(reply, len(texts)), body)


def list_datasets() -> Call[list[str]]:
    """`GET /datasets`."""
    return Call("GET", "/datasets", documented.read_names)


def add_dataset(
    source: Source, name: str, description: str | None, on_progress: OnProgress | None
) -> Call[DatasetResult]:
    """`POST /datasets`."""
    refuse_control_characters(validation.non_empty_string(name, "name"), "name")
    fields = {"dataset_name": name}
    if description is not None:
        if not isinstance(description, str):
            raise InvalidArgumentError(f"description: got {type(description).__name__}, want a string")
        require_utf8(description, "description")
        fields["dataset_description"] = description
    body = Upload(source, fields, on_progress)

    def read(reply: Reply) -> DatasetResult:
        result = documented.read_dataset_result(reply)
        return {**result, "info": result["info"] + note_on_skipped(source.skipped)}

    return Call("POST", "/datasets", read, body, own_errors(DatasetError, _BAD_DATASET))


def delete_dataset(name: str) -> Call[DatasetResult]:
    """`DELETE /datasets/{name}`."""
    path = f"/datasets/{path_part(name, 'name')}"
    return Call(
        "DELETE",
        path,
        documented.read_dataset_result,
        errors=own_errors(DatasetError, {400, 404, 422}, _NO_DATASET_TO_DELETE),
    )


def prepare_retrieval(dataset_name: str) -> Call[str]:
    """`POST /datasets/{name}/prepare-retrieval`."""
    path = f"/datasets/{path_part(dataset_name, 'dataset_name')}/prepare-retrieval"
    # Sent twice, the second answer would be "already prepared", without the job's id.
    errors = own_errors(RetrievalError, {400, 404, 409, 422}, _NO_DATASET_TO_PREPARE)
    return Call("POST", path, documented.read_job_id, errors=errors, repeatable=False)


def retrieval_job_status(job_id: str) -> Call[PrepareRetrievalStatusResponse]:
    """`GET /jobs/prepare-retrieval/{job_id}/status`."""
    path = f"/jobs/prepare-retrieval/{path_part(job_id, 'job_id')}/status"
    return Call("GET", path, documented.read_status, errors=own_errors(RetrievalError, {400, 404, 422}, _NO_JOB))


def features() -> Call[frozenset[str]]:
    """`GET /`: what the server can do beyond the documented API."""
    return Call("GET", "/", documented.read_features)


def _body(request: ChatRequest, form: Form, *, stream: bool) -> bytes:
    fields = dict(request.v1_fields)
    tools, choice = fields.pop("tools", ()), fields.pop("tool_choice", None)
    if form == "openai":
        messages, tool_fields = to_openai_messages(request.messages), to_openai_tools(tools, choice)
    else:
        messages, tool_fields = to_reka_messages(request.messages), to_reka_tools(tools, choice)
    options = {**request.options, **fields, **tool_fields}
    if stream and form == "openai":
        options[STREAM_OPTIONS] = {"include_usage": True}
    return completions.completion_body(
        messages, request.model, request.stop, options, request.extra, request.arguments, stream=stream
    )


def _completed(request: ChatRequest, read: Callable[[Reply], ChatCompletion]) -> Callable[[Reply], ChatCompletion]:
    """Add to an answer what the client knows: the chunks that it has retrieved for the request, and the cost."""
    chunks, pricing = request.retrieved_chunks, request.pricing
    if chunks is None and pricing is None:
        return read

    def read_and_complete(reply: Reply) -> ChatCompletion:
        completion = read(reply)
        usage = completion.usage
        return replace(
            completion,
            retrieved_chunks=completion.retrieved_chunks if chunks is None else chunks,
            usage=usage if usage is None or pricing is None else priced(usage, pricing),
        )

    return read_and_complete


def own_errors(kind: type[RekaError], statuses: Collection[int], not_found: str | None = None) -> OwnErrors:
    """Make these statuses errors of one class.

    Args:
        kind: The class.
        statuses: The statuses.
        not_found: Reason of a 404. If there is one, errors of other statuses are of the class as well, as in
            `reka-api` 2.
    """

    def own(status: int, detail: str) -> OwnError | None:
        if status not in statuses:
            return None if not_found is None else OwnError(kind, replaces=False)
        if status == 404:
            return OwnError(kind, not_found)
        return OwnError(kind, _PREPARED_ALREADY if refusal_code(None, detail) == ALREADY_PREPARED else None)

    return own


def _chat_errors(request: ChatRequest) -> OwnErrors:
    dataset = request.dataset
    if dataset is None:
        return default_errors
    # An unknown or unprepared dataset is a 404, or a 400 like any other whose detail names it.
    return lambda status, detail: (
        OwnError(RetrievalError) if status == 404 or (status == 400 and dataset in detail) else None
    )
