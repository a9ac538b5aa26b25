"""Models that the strict hosts offer, and what each of them can do."""

from dataclasses import dataclass
from typing import Any, Final

JSON_SCHEMA: Final = frozenset({"json_schema"})
JSON_OBJECT_OR_SCHEMA: Final = frozenset({"json_object", "json_schema"})
SAMPLING: Final = (
    "frequency_penalty",
    "max_tokens",
    "presence_penalty",
    "seed",
    "stop",
    "temperature",
    "top_k",
    "top_p",
)
PRICES: Final = {"prompt": "0.0000002", "completion": "0.0000008", "input_cache_read": "0.00000005"}
"""US dollars a token."""


@dataclass(frozen=True)
class Model:
    """A model of a host."""

    name: str
    context_length: int = 65_536
    """Tokens of input and output together."""
    max_output_length: int = 58_982
    """Tokens."""
    modalities: frozenset[str] = frozenset()
    """What it takes besides text: `image`, `video`, `audio`, `pdf`."""
    max_images: int | None = None
    """Images in one request; None for no limit."""
    response_formats: frozenset[str] = frozenset()
    """Types of `response_format` besides `text`."""
    has_tools: bool = False
    reasons: bool = False
    searches: bool = False
    """Whether it takes `research`."""

    @property
    def features(self) -> list[str]:
        return [
            *(["tools"] if self.has_tools else []),
            *(["json_mode"] if "json_object" in self.response_formats else []),
            *(["structured_outputs"] if "json_schema" in self.response_formats else []),
            *(["reasoning"] if self.reasons else []),
            *(["web_search"] if self.searches else []),
        ]

    @property
    def details(self) -> dict[str, Any]:
        """The model as a list of models describes it in full."""
        return {
            "id": self.name,
            "object": "model",
            "created": 0,
            "owned_by": self.name.partition("-")[0],
            "name": self.name.replace("-", " ").title(),
            "description": f"The model {self.name}.",
            "input_modalities": ["text", *sorted(self.modalities)],
            "output_modalities": ["text"],
            "context_length": self.context_length,
            "max_output_length": self.max_output_length,
            "pricing": PRICES,
            "supported_sampling_parameters": list(SAMPLING),
            "supported_features": self.features,
        }


def _deepseek(name: str, max_output_length: int) -> Model:
    return Model(
        name, 1_048_576, max_output_length, response_formats=JSON_OBJECT_OR_SCHEMA, has_tools=True, reasons=True
    )


def _glm(name: str) -> Model:
    return Model(name, 262_144, 131_072, response_formats=JSON_OBJECT_OR_SCHEMA, has_tools=True, reasons=True)


def _older(name: str) -> Model:
    return Model(name, modalities=frozenset({"image", "video", "audio", "pdf"}), has_tools=True)


RESEARCH: Final = Model("reka-flash-research", response_formats=JSON_SCHEMA, reasons=True, searches=True)

OPENAI_MODELS: Final = (
    Model("reka-flash-3", 65_536, 58_982, response_formats=JSON_SCHEMA, reasons=True),
    Model(
        "reka-edge-2603",
        16_384,
        14_745,
        modalities=frozenset({"image", "video"}),
        max_images=3,
        response_formats=JSON_SCHEMA,
        has_tools=True,
    ),
    _deepseek("deepseek4-flash", 384_000),
    _deepseek("deepseek-v4-pro", 393_216),
    _glm("glm5.3"),
    _glm("glm5.3-flash"),
    Model("qwen3.8-27b", 262_144, 131_072, has_tools=True),
    RESEARCH,
)
"""What the host of the OpenAI form offers."""

REKA_MODELS: Final = (_older("reka-flash"), _older("reka-core"), RESEARCH)
"""What the host of the 2025 form offers."""
