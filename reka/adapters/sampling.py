"""Sampling parameters as fields of a framework's model object, with the client's own checks."""

from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ValidationInfo, field_validator

from reka._protocol.features import RETRIEVAL_TOP_K
from reka._protocol.retries import checked_retries
from reka._protocol.sampling import PARAMETERS

SAMPLING_PARAMETERS: Final = tuple(name for name in PARAMETERS if name != RETRIEVAL_TOP_K)
"""Names of the fields of `SamplingFields`."""


def _retries_or_none(max_retries: int | None) -> int | None:
    return None if max_retries is None else checked_retries(max_retries)


MaxRetries: TypeAlias = Annotated[int | None, AfterValidator(_retries_or_none)]
"""Type of a field `max_retries`; None leaves it to the client."""


def check_parameter(name: str, value: object) -> Any:
    """Check the value of a sampling parameter as the client does, and give it back.

    Args:
        name: As `Reka.complete` and its like name it. What is no sampling parameter is not checked.
        value: None leaves the parameter to the server.

    Raises:
        InvalidArgumentError: The parameter cannot have this value.
    """
    parameter = PARAMETERS.get(name)
    return value if value is None or parameter is None else parameter.check(value, name)


class SamplingFields(BaseModel):
    """What a model object can be told of all its answers. What is None is left to the server."""

    temperature: float | None = None
    """Higher is more diverse."""

    max_tokens: int | None = None
    """The most tokens of an answer."""

    top_p: float | None = None
    """Sample from this top share of the probability alone."""

    top_k: int | None = None
    """Sample from this many likeliest tokens alone."""

    frequency_penalty: float | None = None
    """How much repetitions are penalised; 0 is not at all."""

    presence_penalty: float | None = None
    """How much using a token again is penalised; 0 is not at all."""

    length_penalty: float | None = None
    """How much short answers are penalised; 1 is not at all. Reka's host has it at its documented endpoint alone."""

    stop: list[str] | None = None
    """An answer ends before any of these words."""

    seed: int | None = None
    """Another seed gives another answer."""

    @field_validator("stop", mode="before")
    @classmethod
    def _stop_as_list(cls, stop: object) -> object:
        return [stop] if isinstance(stop, str) else stop

    @field_validator(*SAMPLING_PARAMETERS)
    @classmethod
    def _in_range(cls, value: object, info: ValidationInfo) -> object:
        return check_parameter(info.field_name or "", value)
