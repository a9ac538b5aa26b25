"""Names of a model's parameters, and the arguments of one call."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import AliasChoices, BaseModel

import reka
from reka.adapters import SAMPLING_PARAMETERS, V0_ONLY, check_parameter

MODEL_PARAMS: Final = ("model", *SAMPLING_PARAMETERS, "retrieval_dataset")
"""What a model object has, and a call may have."""

CALL_PARAMS: Final = ("tools", "tool_choice", "response_format", "research", "timeout")
"""What a call alone has."""

_ALIASES: Final[Mapping[str, str]] = {"model_name": "model", "stop_sequences": "stop"}
_EXTRA: Final = tuple(sorted(V0_ONLY))
"""What `complete` takes among the extra arguments: Reka's host has it at its documented endpoint alone."""

_NOT_SENT: Final = frozenset({"stream", "stream_usage", "ls_structured_output_format", "structured_output_format"})
"""What LangChain puts among a call's parameters for itself and for tracers, and this package reads itself."""


def call_arguments(own: Mapping[str, Any], of_call: Mapping[str, Any]) -> dict[str, Any]:
    """Name the arguments of one call as `reka.Reka.complete` does.

    Args:
        own: The model object's parameters, and its `model_kwargs`.
        of_call: What this call was given besides; it goes before the object's own, unless it is None.

    Returns:
        The arguments that are set. What is None is left to the server.

    Raises:
        InvalidArgumentError: The call was given something that has no such name, or cannot have such a value.
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
    # The client checks what has a name of its own there; what it takes as extra goes out as it is.
    extra = {name: check_parameter(name, value) for name in _EXTRA if (value := chosen.pop(name, None)) is not None}
    extra |= chosen.pop("model_kwargs", None) or {}
    return {**chosen, "extra_request_args": extra} if extra else chosen


def refuse_unknown(cls: type[BaseModel], given: object) -> None:
    """Check the names that an object is made with. What was given for them is not shown: it may be the key.

    Raises:
        ValueError: One is not known; the error tells the nearest that is.
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


def _meant(name: str, known: Collection[str]) -> str:
    nearest = get_close_matches(name, sorted(known), 1)
    return f"; did you mean {nearest[0]}?" if nearest else f"; it takes {', '.join(sorted(known))}"
