"""Sampling parameters: names, types and ranges.

Client, server and adapters check by this table. It excludes only meaningless values: the documented API names no
limits, and further ones are the model's.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal, get_args

from reka._protocol import checks
from reka._protocol.constants import MAX_RETRIEVED_CHUNKS
from reka._record import record
from reka.types import ReasoningEffort


@record
class Parameter:
    """Type and range of a parameter."""

    kind: Literal["integer", "number", "strings", "choice"]
    least: int | None = None
    most: int | None = None
    v0_name: str | None = None
    """Name at the documented endpoint, if different."""

    choices: tuple[str, ...] = ()
    """The values of a choice."""

    def check(self, value: object, argument: str) -> Any:
        """Validate a value and return it.

        Args:
            value: The value.
            argument: Name of the argument, for the error.

        Raises:
            InvalidArgumentError: The value is of another type or out of range.
        """
        if self.kind == "integer":
            return checks.integer(value, argument, self.least, self.most)
        if self.kind == "number":
            return checks.number(value, argument, self.least, self.most)
        if self.kind == "choice":
            return checks.choice(value, argument, self.choices)
        return checks.strings(value, argument)


PARAMETERS: Final[Mapping[str, Parameter]] = {
    "max_tokens": Parameter("integer", least=1, v0_name="request_output_len"),
    "temperature": Parameter("number", least=0),
    "top_p": Parameter("number", least=0, most=1, v0_name="runtime_top_p"),
    "top_k": Parameter("integer", least=0, v0_name="runtime_top_k"),
    "frequency_penalty": Parameter("number"),
    "presence_penalty": Parameter("number"),
    "length_penalty": Parameter("number"),
    "seed": Parameter("integer", v0_name="random_seed"),
    "stop": Parameter("strings", v0_name="stop_words"),
    "reasoning_effort": Parameter("choice", choices=get_args(ReasoningEffort)),
    "retrieval_top_k": Parameter("integer", least=1, most=MAX_RETRIEVED_CHUNKS),
}
"""Parameters by their name at the completions endpoint. `retrieval_top_k` is an extension of our server."""

V0_NAMES: Final[Mapping[str, str]] = {
    name: parameter.v0_name for name, parameter in PARAMETERS.items() if parameter.v0_name is not None
}
"""Names at the documented endpoint, where they differ."""

ARGUMENTS: Final[Mapping[str, tuple[str, Parameter]]] = {
    **{name: (name, parameter) for name, parameter in PARAMETERS.items()},
    **{name: (v1_name, replace(PARAMETERS[v1_name], most=None)) for v1_name, name in V0_NAMES.items()},
}
"""Parameters by either name, each with its name at the completions endpoint.

The documented API names no upper limits, and `reka-api` leaves them to the server.
"""
