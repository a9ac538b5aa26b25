"""Parameter names, and the arguments of one call."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import AliasChoices, BaseModel

import reka
from reka.adapters import SAMPLING_PARAMETERS, check_parameter, metadata_filter

MODEL_PARAMS: Final = ("model", *SAMPLING_PARAMETERS, "retrieval_dataset", "retrieval_filter")
"""Parameters of the model object, which a call may override."""

CALL_PARAMS: Final = ("tools", "tool_choice", "response_format", "research", "timeout")
"""Parameters of a call only."""

_ALIASES: Final[Mapping[str, str]] = {"model_name": "model", "stop_sequences": "stop"}

_NOT_SENT: Final = frozenset(
    {"stream", "stream_usage", "parallel_tool_calls", "ls_structured_output_format", "structured_output_format"}
)
"""Call parameters that LangChain adds for itself or for tracers, and those that this package reads itself.

Reka's API documents no `parallel_tool_calls`; where it is False, the first call of an answer is kept, and the model can
make the others later.
"""


def call_arguments(own: Mapping[str, Any], of_call: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the parameters of a model object and of one call into arguments of `reka.Reka.complete`.

    Args:
        own: The model object's parameters, and its `model_kwargs`.
        of_call: The call's parameters; they take precedence, unless they are None.

    Returns:
        The arguments that are not None. For the others the server applies its defaults.

    Raises:
        InvalidArgumentError: The call has a parameter of an unknown name, or with an invalid value.
    """
    chosen = dict(own)
    for name, value in of_call.items():
        known = _ALIASES.get(name, name)
        if known in _NOT_SENT:
            continue
        if known not in MODEL_PARAMS and known not in CALL_PARAMS and known != "model_kwargs":
            raise reka.InvalidArgumentError(
                f"{name}: not a parameter of a call{_meant(name, (*MODEL_PARAMS, *CALL_PARAMS, 'model_kwargs'))}; "
                "anything else that the server takes goes into model_kwargs"
            )
        if value is not None:
            chosen[known] = value
    extra = chosen.pop("model_kwargs", None)
    return {**chosen, "extra_request_args": extra} if extra else chosen


def check_values(arguments: dict[str, Any]) -> dict[str, Any]:
    """Check the sampling parameters and the filter among some arguments, and return the arguments.

    Raises:
        InvalidArgumentError: A value is of another type, or out of range.
    """
    if (condition := arguments.get("retrieval_filter")) is not None:
        metadata_filter(condition, "retrieval_filter")
    for name, value in arguments.items():
        check_parameter(name, [value] if name == "stop" and isinstance(value, str) else value)
    return arguments


def refuse_unknown(cls: type[BaseModel], given: object) -> None:
    """Check the names of constructor arguments. Errors do not show the value of an unknown one: it may be the API key.

    Raises:
        ValueError: A name is unknown; the error suggests the closest known one.
    """
    known: set[str] = set()
    for name, field in cls.model_fields.items():
        known.add(name)
        if isinstance(field.validation_alias, AliasChoices):
            known.update(str(alias) for alias in field.validation_alias.choices)
        elif field.alias is not None:
            known.add(field.alias)
    unknown = sorted(set(given) - known) if isinstance(given, Mapping) else []
    if unknown:
        raise ValueError(f"{unknown[0]}: {cls.__name__} has no such argument{_meant(unknown[0], known)}")


def refuse_unknown_in_call(call: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse the arguments of a call that it does not know: to ignore a filter would answer from all documents.

    Args:
        call: Name of the method.
        given: The arguments that it does not know.
        known: Names of those that it knows.

    Raises:
        InvalidArgumentError: There is one; the error suggests the closest known one.
    """
    if given:
        name = next(iter(given))
        raise reka.InvalidArgumentError(f"{name}: {call} has no such argument{_meant(name, known)}")


def _meant(name: str, known: Collection[str]) -> str:
    nearest = get_close_matches(name, sorted(known), 1)
    return f"; did you mean {nearest[0]}?" if nearest else f"; it takes {', '.join(sorted(known))}"
