"""Names of a model's parameters: LangChain's, and what `reka.chat` calls the same thing."""

from collections.abc import Mapping
from typing import Any, Final

import reka

CHAT_ARGUMENTS: Final[Mapping[str, str]] = {
    "model": "model_name",
    "temperature": "temperature",
    "max_tokens": "request_output_len",
    "top_p": "runtime_top_p",
    "top_k": "runtime_top_k",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "length_penalty": "length_penalty",
    "stop": "stop_words",
    "seed": "random_seed",
    "retrieval_dataset": "retrieval_dataset",
    "model_kwargs": "extra_request_args",
}


def chat_arguments(own: Mapping[str, Any], of_call: Mapping[str, Any]) -> dict[str, Any]:
    """Name the arguments of one call as `reka.chat` does.

    Args:
        own: The model object's parameters, by LangChain's names.
        of_call: What this call was given besides; it goes before the object's own, unless it is None.

    Returns:
        The arguments that are set. What is None is left to the server.

    Raises:
        InvalidArgumentError: The call was given something that has no such name.
    """
    unknown = sorted(of_call.keys() - CHAT_ARGUMENTS.keys())
    if unknown:
        raise reka.InvalidArgumentError(
            f"{unknown[0]}: not a parameter of a call; want one of {', '.join(CHAT_ARGUMENTS)}, "
            "and anything else that the server takes inside model_kwargs"
        )
    chosen = {**own, **{name: value for name, value in of_call.items() if value is not None}}
    return {CHAT_ARGUMENTS[name]: value for name, value in chosen.items() if value is not None}
