"""LangChain model profiles: what the server says of a model, and what this package knows of it.

Unknown capabilities are left out, and requests that use them are sent.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from langchain_core.language_models import ModelProfile

import reka
from reka.adapters import MEDIA_KINDS, ClientSettings

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


class ReadProfile(dict[str, Any]):
    """A profile that this package made of what is known of a model, and that it may replace; any other is the user's.

    LangChain copies the profile of a model object with its other fields, even if the copy has another model name.
    """


def profile_of(name: str, model: reka.Model | None = None) -> ModelProfile | None:
    """Return the profile of a model.

    Args:
        name: Its name in requests.
        model: What is known of it; None asks what the default server has said, else the built-in table.

    Returns:
        The profile; None if no capability is known.
    """
    model = model or ClientSettings().known_model(name)
    capabilities = {} if model is None else _capabilities(model)
    return cast("ModelProfile", ReadProfile({**_EVERY_MODEL, **capabilities, "name": name})) if capabilities else None


def _capabilities(model: reka.Model) -> dict[str, Any]:
    inputs = {key: model.takes(part.removesuffix("_url")) for part, key in MEDIA_INPUTS.items()}
    outputs = model.output_modalities
    capabilities = {
        "max_input_tokens": model.context_length,
        "max_output_tokens": model.max_output_length,
        "text_inputs": model.takes("text"),
        **inputs,
        "image_url_inputs": inputs["image_inputs"],
        "image_tool_message": inputs["image_inputs"],
        "pdf_tool_message": inputs["pdf_inputs"],
        **{f"{kind}_outputs": outputs and kind in outputs for kind in ("text", "image", "audio", "video")},
        "tool_calling": model.supports("tools"),
        "tool_choice": model.supports("tools"),
        "structured_output": model.supports("structured_outputs"),
        "reasoning_output": model.supports("reasoning"),
        "open_weights": bool(model.extra.get("hugging_face_id")) or None,
    }
    return {key: value for key, value in capabilities.items() if value is not None}
