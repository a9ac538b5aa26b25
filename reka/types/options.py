"""Options of a client and of a call."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict

Form: TypeAlias = Literal["openai", "reka"]
"""Form of `/v1/chat/completions`: OpenAI's, or the one that Reka's host accepted in 2025."""

FormChoice: TypeAlias = Literal["auto", "openai", "reka"]
"""Form that a client sends; `auto` finds out which one a host accepts."""

Api: TypeAlias = Literal["auto", "v0", "v1"]
"""Which family of endpoints a client uses: `v0` the documented one, `v1` completions, `auto` what a request needs."""


ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How much a model reasons before it answers."""


class ChatOptions(TypedDict, total=False):
    """Options of `reka.chat` and `reka.stream`: what they take beside the conversation.

    Both functions name each option in their signature. The type serves programs that keep options in a dict:
    `options: reka.ChatOptions = {"temperature": 0.2}`, then `reka.chat("Hi", **options)`.
    """

    retrieval_dataset: str | None
    """Name of a prepared dataset to answer from; None answers without retrieval."""

    model_name: str | None
    """Name of the model, `reka-flash` if left out; `reka.get_models` lists them."""

    request_output_len: int | None
    """Maximum length of the answer in tokens, at least 1; None is left to the server."""

    temperature: float | None
    """Softmax temperature, at least 0; higher is more diverse. None is left to the server."""

    random_seed: int | None
    """Seed of the sampling: another seed gives another answer. None is left to the server."""

    runtime_top_k: int | None
    """Sample from the k most likely tokens only; at least 0. None is left to the server."""

    runtime_top_p: float | None
    """Sample from the most likely tokens that make up this probability only, 0 to 1; None is left to the server."""

    frequency_penalty: float | None
    """Penalty on a token for each time it has occurred; 0 is no penalty. None is left to the server."""

    presence_penalty: float | None
    """Penalty on a token that has occurred at all; 0 is no penalty. None is left to the server."""

    length_penalty: float | None
    """Penalty on short answers; 1 is no penalty. None is left to the server."""

    stop_words: Sequence[str] | None
    """Strings at which generation stops; None stops at none."""

    extra_request_args: Mapping[str, Any] | None
    """More fields of the request body; they override the other options. None adds none."""

    retrieval_filter: Mapping[str, Any] | None
    """Condition on the metadata of the documents to answer from, such as `{"lang": "de"}`; see `reka.delete_documents`.
    A server that would ignore it is not asked. None answers from all documents."""


class CompletionOptions(TypedDict, total=False):
    """Options of `reka.complete` and `reka.stream_messages`: the keyword arguments that shape the answer.

    Examples:
        >>> options: CompletionOptions = {"model": "reka-flash", "max_tokens": 100}
        >>> reka.complete([{"role": "user", "content": "Hi"}], **options)  # doctest: +SKIP
    """

    model: str
    """Name of the model, `reka-flash` if left out; `reka.get_models` lists them."""

    max_tokens: int | None
    """Maximum length of the answer in tokens, at least 1; None is left to the server."""

    temperature: float | None
    """Softmax temperature, at least 0; higher is more diverse. None is left to the server."""

    top_p: float | None
    """Sample from the most likely tokens that make up this probability only, 0 to 1; None is left to the server."""

    top_k: int | None
    """Sample from the k most likely tokens only; at least 0. None is left to the server."""

    frequency_penalty: float | None
    """Penalty on a token for each time it has occurred; 0 is no penalty. None is left to the server."""

    presence_penalty: float | None
    """Penalty on a token that has occurred at all; 0 is no penalty. None is left to the server."""

    length_penalty: float | None
    """Penalty on short answers; 1 is no penalty. None is left to the server. It sends the request to the documented
    endpoint, unless the server takes it at the completions endpoint."""

    seed: int | None
    """Seed of the sampling: another seed gives another answer. None is left to the server."""

    reasoning_effort: ReasoningEffort | None
    """How much the model reasons; models that do not reason ignore it. None is left to the server."""

    stop: str | Sequence[str] | None
    """String, or strings, at which generation stops; None stops at none."""

    tools: Sequence[Mapping[str, Any]] | None
    """Functions that the model may call: `{"name", "description", "parameters"}`, where `parameters` is the JSON schema
    of an object, or the same inside `{"type": "function", "function": ...}`. None offers none."""

    tool_choice: str | Mapping[str, Any] | None
    """`auto`, `none`, `tool` (the model must call one), or the name of the function to call; None is left to the
    server."""

    response_format: Mapping[str, Any] | None
    """Form of the answer, as in the OpenAI protocol; Reka documents `json_schema` for `reka-flash-research`. None is
    free text."""

    retrieval_dataset: str | None
    """Name of a prepared dataset to answer from; None answers without retrieval. It sends the request to the documented
    endpoint, unless the server takes it at the completions endpoint or the client has the dataset itself."""

    retrieval_filter: Mapping[str, Any] | None
    """Condition on the metadata of the documents to answer from, such as `{"lang": "de"}`; see `reka.delete_documents`.
    A server that would ignore it is not asked. None answers from all documents."""

    research: Mapping[str, Any] | None
    """Settings of `reka-flash-research`: `web_search`, `parallel_thinking`. None is left to the server."""

    extra_request_args: Mapping[str, Any] | None
    """More fields of the request body; they override the other options. None adds none."""
