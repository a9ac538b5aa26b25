"""What a model may be told with a call, and how `reka.complete` is told it."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

import reka
from reka.adapters import SAMPLING_PARAMETERS, V0_ONLY, check_parameter

OF_MODEL: Final = ("model", *(name for name in SAMPLING_PARAMETERS if name not in V0_ONLY), "research")
"""Parameters that a model object has and a call may change, and that `reka.complete` calls the same."""

OF_CALL: Final = ("tools", "tool_choice", "response_format", "timeout")
"""What belongs to a single call, and `reka.complete` calls the same."""

IN_EXTRA: Final = tuple(sorted(V0_ONLY))
"""Parameters of either kind that `reka.complete` takes among its extra arguments."""

_NAMED: Final = (*OF_MODEL, *OF_CALL)
_KNOWN: Final = (*_NAMED, *IN_EXTRA, "additional_kwargs")


def arguments(own: Mapping[str, Any], of_call: Mapping[str, Any]) -> dict[str, Any]:
    """Bring together what a call is told.

    Args:
        own: The model object's parameters, with its `additional_kwargs`.
        of_call: What the call was given besides; it goes before the object's own, unless it is None.

    Returns:
        Arguments of `reka.complete`; what is None is left to the server. Names in `additional_kwargs` that are
        parameters are taken as these, the others become fields of the request.

    Raises:
        InvalidArgumentError: The call was given something that is no parameter, or cannot have such a value.
    """
    refuse_unknown(of_call, _KNOWN, "a parameter of a call")
    further = {**(own.get("additional_kwargs") or {}), **(of_call.get("additional_kwargs") or {})}
    told = {name: value for source in (own, further, of_call) for name, value in source.items() if value is not None}
    told.pop("additional_kwargs", None)
    # The client checks what has a name of its own there; what it takes as extra goes out as it is.
    for name in V0_ONLY & told.keys():
        check_parameter(name, told[name])
    named: dict[str, Any] = {name: told.pop(name) for name in _NAMED if name in told}
    return named | ({"extra_request_args": told} if told else {})


def refuse_unknown(given: Iterable[str], known: Collection[str], what: str) -> None:
    """Refuse a name that is none of the known ones, and tell the nearest of them.

    Raises:
        InvalidArgumentError: There is one. The message does not show its value: under a mistyped name, it may be the
            key.
    """
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"want one of {', '.join(known)}."
            raise reka.InvalidArgumentError(
                f"{name}: not {what}; {hint} What else the server takes goes inside additional_kwargs"
            )
