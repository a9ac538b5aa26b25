"""Chat."""

from typing import Literal, TypeAlias

from reka.module_api import chat
from reka.types import HumanTurn, ModelTurn

__all__ = ["HumanTurn", "MediaType", "ModelTurn", "chat"]

MediaType: TypeAlias = Literal["image", "video", "audio"]
