"""Reka's models as a LangChain chat model."""

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import AliasChoices, ConfigDict, Field, PrivateAttr, SecretStr, field_validator

from langchain_reka.connection import Connection, Settings
from langchain_reka.messages import message_from_answer, turns_from_messages
from langchain_reka.parameters import CHAT_ARGUMENTS, chat_arguments


class ChatReka(BaseChatModel):
    """A chat model that answers through Reka's documented chat endpoint.

    What is None is left to the server. Every parameter but the client's own (`api_key`, `base_url`, `timeout`,
    `max_retries`) may be given to one call too: `model.invoke(messages, temperature=0)`, `model.bind(stop=["."])`.

    One client, with one pool of connections, serves all calls of a model object, from any thread. `stream` and the
    asynchronous methods are LangChain's own, on top of one whole answer: a stream has one chunk.

    Raises, when it is called:
        AuthError: There is no key, or the server does not take it.
        InvalidConversationError: The messages cannot be said in Reka's terms; the error names the message and block.
        RekaError: Whatever else goes wrong between a call and its answer: see `reka`'s own errors.

    Example:
        >>> from langchain_reka import ChatReka
        >>> model = ChatReka(base_url="local", temperature=0)
        >>> model.invoke("Hi, my name is John. What is my name?").text  # doctest: +SKIP
    """

    # Errors do not show what was given: under a mistyped name, it may be the key.
    model_config = ConfigDict(extra="forbid", populate_by_name=True, protected_namespaces=(), hide_input_in_errors=True)

    model: str = Field(default="reka-flash", validation_alias=AliasChoices("model", "model_name"))
    """Name of the model."""

    api_key: SecretStr | None = Field(default=None, validation_alias=AliasChoices("api_key", "reka_api_key"))
    """The key; None looks at `reka.API_KEY`, then at the environment's REKA_API_KEY, whenever a call is made."""

    base_url: str | None = None
    """The server's address, or `local`; None looks at `reka.BASE_URL`, then at REKA_BASE_URL, then asks Reka itself."""

    temperature: float | None = None
    """Higher is more diverse."""

    max_tokens: int | None = None
    """The most tokens of an answer."""

    top_p: float | None = None
    """Sample from this top share of the probability alone."""

    top_k: int | None = None
    """Sample from this many likeliest tokens alone."""

    frequency_penalty: float | None = None
    """How much repetitions are penalised; 0 is not at all."""

    presence_penalty: float | None = None
    """How much using a token again is penalised; 0 is not at all."""

    length_penalty: float | None = None
    """How much short answers are penalised; 1 is not at all."""

    stop: list[str] | None = Field(default=None, validation_alias=AliasChoices("stop", "stop_sequences"))
    """An answer ends before any of these words."""

    seed: int | None = None
    """Another seed gives another answer."""

    timeout: float | None = Field(default=None, validation_alias=AliasChoices("timeout", "default_request_timeout"))
    """Seconds that a call may last; None is the client's default."""

    max_retries: int | None = None
    """How often a failed call is sent again; None is the client's default, 0 never."""

    retrieval_dataset: str | None = None
    """A prepared dataset to answer from; `response_metadata["retrieved_chunks"]` then has what was found."""

    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request, as they are."""

    _connection: Connection = PrivateAttr(default_factory=Connection)

    def __init__(self, model: str | None = None, **parameters: Any) -> None:
        if model is not None:
            parameters["model"] = model
        super().__init__(**parameters)

    @field_validator("stop", mode="before")
    @classmethod
    def _stop_as_list(cls, stop: object) -> object:
        return [stop] if isinstance(stop, str) else stop

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `langchain_core.load.dumps` can write this model: it can, without the key."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Where `langchain_core.load.loads` finds this class."""
        return ["langchain_reka", "chat_models"]

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Fields that are written as the name of an environment variable instead of their value."""
        return {"api_key": "REKA_API_KEY"}

    @property
    def _llm_type(self) -> str:
        return "reka-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"base_url": self.base_url, **self._parameters()}

    def close(self) -> None:
        """Close the connections. The next call opens new ones."""
        self._connection.close()

    def _generate(
        self,
        messages: Sequence[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        of_call = kwargs if stop is None else {**kwargs, "stop": stop}
        arguments = chat_arguments(self._parameters(), of_call)
        settings = Settings(self.api_key, self.base_url, self.timeout, self.max_retries)
        turns = turns_from_messages(messages)
        answer = self._connection.client(settings).chat(conversation_history=turns, **arguments)
        message = message_from_answer(answer, arguments["model_name"])
        return ChatResult(
            generations=[ChatGeneration(message=message)], llm_output={"model_name": arguments["model_name"]}
        )

    def _parameters(self) -> dict[str, Any]:
        """The parameters of a call, as this object has them."""
        return {name: value for name in CHAT_ARGUMENTS if (value := getattr(self, name)) not in (None, {})}
