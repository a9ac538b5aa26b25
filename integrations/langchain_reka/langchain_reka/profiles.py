"""LangChain model profiles of Reka's models, by name.

Capabilities that are not documented are left out, and requests that use them are sent.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from langchain_core.language_models import ModelProfile

import reka
from reka.adapters import MEDIA_KINDS, model_of

_EVERY_MODEL: Final[Mapping[str, Any]] = {
    "text_inputs": True,
    "text_outputs": True,
    "image_outputs": False,
    "audio_outputs": False,
    "video_outputs": False,
    "tool_call_streaming": False,
}

MEDIA_INPUTS: Final[Mapping[str, str]] = {part: part.replace("_url", "_inputs") for part in MEDIA_KINDS}
"""The profile key that tells whether a model accepts a type of media part."""


def profile_of(model: str) -> ModelProfile | None:
    """Return the profile of a model; None for an unknown model."""
    entry = model_of(model)
    return None if entry is None else cast("ModelProfile", {**_EVERY_MODEL, **_capabilities(entry), "name": model})


def _capabilities(model: reka.Model) -> dict[str, Any]:
    inputs = {key: model.takes(part.removesuffix("_url")) for part, key in MEDIA_INPUTS.items()}
    capabilities = {
        "max_input_tokens": model.context_length,
        "max_output_tokens": model.max_output_length,
        **inputs,
        "image_url_inputs": inputs["image_inputs"],
        "image_tool_message": inputs["image_inputs"],
        "pdf_tool_message": inputs["pdf_inputs"],
        "tool_calling": model.supports("tools"),
        "tool_choice": model.supports("tools"),
        "structured_output": model.supports("structured_outputs"),
        "reasoning_output": model.supports("reasoning"),
        "open_weights": bool(model.extra.get("hugging_face_id")) or None,
    }
    return {key: value for key, value in capabilities.items() if value is not None}


def is_another_models(profile: Mapping[str, Any], model: str) -> bool:
    """Whether a profile equals that of `profile_of` for a different model.

    LangChain copies the profile of a model object with its other fields, even if the copy has another model name.
    """
    name = profile.get("name")
    return name not in (None, model) and profile == profile_of(str(name))
