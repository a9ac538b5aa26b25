"""LangChain model profiles of Reka's models, by name.

Source: Reka's documentation of its models, as of 2026. Capabilities that it does not mention are left out, and requests
that use them are sent.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from langchain_core.language_models import ModelProfile

_EVERY_MODEL: Final[Mapping[str, Any]] = {
    "text_inputs": True,
    "text_outputs": True,
    "image_outputs": False,
    "audio_outputs": False,
    "video_outputs": False,
    "tool_calling": True,
    "tool_choice": True,
    "tool_call_streaming": False,
    "structured_output": False,
    "reasoning_output": False,
}
_SEES_AND_HEARS: Final[Mapping[str, Any]] = {
    "image_inputs": True,
    "image_url_inputs": True,
    "video_inputs": True,
    "audio_inputs": True,
    "pdf_inputs": True,
    "image_tool_message": True,
    "pdf_tool_message": True,
}
_SEES: Final[Mapping[str, Any]] = {
    "image_inputs": True,
    "image_url_inputs": True,
    "video_inputs": True,
    "image_tool_message": True,
}
_READS_ALONE: Final[Mapping[str, Any]] = dict.fromkeys(_SEES_AND_HEARS, False)

# The first prefix of a model's name applies.
_BY_NAME: Final[Mapping[str, Mapping[str, Any]]] = {
    "reka-flash-research": {**_READS_ALONE, "structured_output": True, "reasoning_output": True},
    "reka-flash-3": {**_READS_ALONE, "max_input_tokens": 65_536, "open_weights": True},
    "reka-flash": {**_SEES_AND_HEARS, "max_input_tokens": 65_536},
    "reka-edge": {**_SEES, "max_input_tokens": 16_384},
    "reka-core": _SEES_AND_HEARS,
}

MEDIA_INPUTS: Final[Mapping[str, str]] = {
    "image_url": "image_inputs",
    "video_url": "video_inputs",
    "audio_url": "audio_inputs",
    "pdf_url": "pdf_inputs",
}
"""The profile key that tells whether a model accepts a type of media part."""


def profile_of(model: str) -> ModelProfile | None:
    """Return the profile of a model; None for an unknown model."""
    known = next((profile for name, profile in _BY_NAME.items() if model.startswith(name)), None)
    return None if known is None else cast("ModelProfile", {**_EVERY_MODEL, **known, "name": model})


def is_another_models(profile: Mapping[str, Any], model: str) -> bool:
    """Whether a profile equals that of `profile_of` for a different model.

    LangChain copies the profile of a model object with its other fields, even if the copy has another model name.
    """
    name = profile.get("name")
    return name not in (None, model) and profile == profile_of(str(name))
