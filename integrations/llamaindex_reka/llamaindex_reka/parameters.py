"""Map LlamaIndex parameters to arguments of `reka.complete`."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

import reka
from reka.adapters import SAMPLING_PARAMETERS

OF_MODEL: Final = ("model", *SAMPLING_PARAMETERS, "retrieval_dataset", "retrieval_filter", "research")
"""Parameters of the model object, which a call may override; their names are those of `reka.complete`."""

OF_CALL: Final = ("tools", "tool_choice", "response_format", "timeout")
"""Parameters of a call only; their names are those of `reka.complete`."""

_NAMED: Final = (*OF_MODEL, *OF_CALL)
_KNOWN: Final = (*_NAMED, "additional_kwargs")


def arguments(own: Mapping[str, Any], of_call: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the parameters of a model object and of one call.

    Args:
        own: The model object's parameters, with its `additional_kwargs`.
        of_call: The call's parameters; they take precedence, unless they are None.

    Returns:
        Arguments of `reka.complete`, without those that are None. Entries of `additional_kwargs` that are named like a
        parameter set that parameter; the others become fields of the request.

    Raises:
        InvalidArgumentError: The call has a parameter of an unknown name, or with an invalid value.
    """
    refuse_unknown(of_call, _KNOWN, "a parameter of a call")
    further = {**(own.get("additional_kwargs") or {}), **(of_call.get("additional_kwargs") or {})}
    told = {name: value for source in (own, further, of_call) for name, value in source.items() if value is not None}
    told.pop("additional_kwargs", None)
    named: dict[str, Any] = {name: told.pop(name) for name in _NAMED if name in told}
    return named | ({"extra_request_args": told} if told else {})


def refuse_unknown(
    given: Iterable[str],
    known: Collection[str],
    what: str,
    further: str = " What else the server takes goes inside additional_kwargs",
) -> None:
    """Reject unknown names, and suggest the closest known one; the message ends in what is `further` to say.

    Raises:
        InvalidArgumentError: A name is unknown. The message does not show the value: it may be the API key.
    """
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"want one of {', '.join(known)}."
            raise reka.InvalidArgumentError(f"{name}: not {what}; {hint}{further}")
