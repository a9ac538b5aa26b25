"""Types of the arguments and results of the public functions. Plain values, no I/O."""

from reka.types.callbacks import OnEvent, OnProgress, RequestEvent
from reka.types.completion import (
    ChatCompletion,
    ChatEvent,
    Citation,
    Finish,
    Message,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from reka.types.datasets import DatasetResult
from reka.types.options import Api, ChatOptions, CompletionOptions, Form, FormChoice
from reka.types.retrieval import JobStatus, OnUpdate, PrepareRetrievalStatusResponse, RetrievedChunk
from reka.types.turns import HumanTurn, ModelTurn, Turn

__all__ = [
    "Api",
    "ChatCompletion",
    "ChatEvent",
    "ChatOptions",
    "Citation",
    "CompletionOptions",
    "DatasetResult",
    "Finish",
    "Form",
    "FormChoice",
    "HumanTurn",
    "JobStatus",
    "Message",
    "ModelTurn",
    "OnEvent",
    "OnProgress",
    "OnUpdate",
    "PrepareRetrievalStatusResponse",
    "ReasoningDelta",
    "RequestEvent",
    "RetrievedChunk",
    "StreamEvent",
    "TextDelta",
    "ToolCall",
    "ToolCallDelta",
    "Turn",
    "Usage",
]
