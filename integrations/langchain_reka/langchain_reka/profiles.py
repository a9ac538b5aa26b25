"""What Reka's models can do, by name, in LangChain's terms. What nobody says is left out, and so not refused."""

from collections.abc import Mapping
from typing import Any, Final, cast

from langchain_core.language_models import ModelProfile

from reka.adapters import MEDIA_KINDS, Model, model_of

_EVERY_MODEL: Final[Mapping[str, Any]] = {
    "text_inputs": True,
    "text_outputs": True,
    "image_outputs": False,
    "audio_outputs": False,
    "video_outputs": False,
    "tool_call_streaming": False,
}

MEDIA_INPUTS: Final[Mapping[str, str]] = {part: part.replace("_url", "_inputs") for part in MEDIA_KINDS}
"""The key of a profile that says whether a model takes a kind of media part."""


def profile_of(model: str) -> ModelProfile | None:
    """Tell what a model can do; None for a model that is not known."""
    known = model_of(model)
    return None if known is None else cast("ModelProfile", {**_EVERY_MODEL, **_facts(known), "name": model})


def _facts(known: Model) -> dict[str, Any]:
    takes = {key: part in known.media for part, key in MEDIA_INPUTS.items()}
    facts = {
        "max_input_tokens": known.context_window,
        "max_output_tokens": known.max_output,
        **takes,
        "image_url_inputs": takes["image_inputs"],
        "image_tool_message": takes["image_inputs"],
        "pdf_tool_message": takes["pdf_inputs"],
        "tool_calling": known.calls_tools,
        "tool_choice": known.calls_tools,
        "structured_output": "json_schema" in known.response_formats,
        "reasoning_output": known.reasons,
        "open_weights": known.has_open_weights,
    }
    return {key: value for key, value in facts.items() if value is not None}


def is_another_models(profile: Mapping[str, Any], model: str) -> bool:
    """Whether a profile is what `profile_of` tells of another model.

    LangChain copies a model's profile together with its other fields, also where the copy gets another name.
    """
    name = profile.get("name")
    return name not in (None, model) and profile == profile_of(str(name))
