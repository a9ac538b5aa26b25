"""Sampling parameters as fields of a framework's model object, with the client's checks."""

from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ValidationInfo, field_validator

from reka._protocol.constants import RETRIEVAL_TOP_K
from reka._protocol.retries import checked_retries
from reka._protocol.sampling import PARAMETERS

SAMPLING_PARAMETERS: Final = tuple(name for name in PARAMETERS if name != RETRIEVAL_TOP_K)
"""Names of the fields of `SamplingFields`."""


def _retries_or_none(max_retries: int | None) -> int | None:
    return None if max_retries is None else checked_retries(max_retries)


MaxRetries: TypeAlias = Annotated[int | None, AfterValidator(_retries_or_none)]
"""Type of a field `max_retries`; None means the client's default."""


def check_parameter(name: str, value: object) -> Any:
    """Validate the value of a sampling parameter as the client does, and return it.

    Args:
        name: Name of the parameter, as in `Reka.complete`; other names are not checked.
        value: The value; None leaves the parameter to the server.

    Raises:
        InvalidArgumentError: The value is of another type or out of range.
    """
    parameter = PARAMETERS.get(name)
    return value if value is None or parameter is None else parameter.check(value, name)


class SamplingFields(BaseModel):
    """Sampling parameters of a model object. None leaves a parameter to the server."""

    temperature: float | None = None
    """Sampling temperature; higher is more diverse."""

    max_tokens: int | None = None
    """Maximum number of tokens in the answer."""

    top_p: float | None = None
    """Sample only from the most likely tokens that make up this probability, 0 to 1."""

    top_k: int | None = None
    """Sample only from the k most likely tokens."""

    frequency_penalty: float | None = None
    """Penalty for repeated tokens by their count; 0 is none."""

    presence_penalty: float | None = None
    """Penalty for tokens that occurred before; 0 is none."""

    length_penalty: float | None = None
    """Penalty for short answers; 1 is none. Reka's host supports it at its documented endpoint only."""

    stop: list[str] | None = None
    """Texts at which generation stops; the answer does not include them."""

    seed: int | None = None
    """Sampling seed; different seeds give different answers."""

    reasoning_effort: str | None = None
    """How much the model reasons: `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`; a model that does not
    reason ignores it."""

    @field_validator("stop", mode="before")
    @classmethod
    def _stop_as_list(cls, stop: object) -> object:
        return [stop] if isinstance(stop, str) else stop

    @field_validator(*SAMPLING_PARAMETERS)
    @classmethod
    def _in_range(cls, value: object, info: ValidationInfo) -> object:
        return check_parameter(info.field_name or "", value)
