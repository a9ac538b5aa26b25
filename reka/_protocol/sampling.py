"""What may be asked of an answer: every sampling parameter, its two names and its range, once.

Client, server and adapters make their checks of this table. It bounds what has no meaning beyond; what else a model
takes is the model's business, for the documented API names no limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from reka._protocol import checks
from reka._protocol.defaults import MAX_RETRIEVED_CHUNKS


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a value of a parameter may be."""

    kind: Literal["integer", "number", "strings"]
    least: int | None = None
    most: int | None = None
    v0_name: str | None = None
    """Its name at the documented endpoint, where that is another than at the completions endpoint."""

    def check(self, value: object, argument: str) -> Any:
        """Give a value back if it is one that the parameter may have.

        Args:
            value: What the caller gave.
            argument: The name under which it was given.

        Raises:
            InvalidArgumentError: It may not be; the message names the argument and what is wanted.
        """
        if self.kind == "integer":
            return checks.integer(value, argument, self.least, self.most)
        if self.kind == "number":
            return checks.number(value, argument, self.least, self.most)
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
    "retrieval_top_k": Parameter("integer", least=1, most=MAX_RETRIEVED_CHUNKS),
}
"""By the name at the completions endpoint. `retrieval_top_k` is our server's own."""

V0_NAMES: Final[Mapping[str, str]] = {
    name: parameter.v0_name for name, parameter in PARAMETERS.items() if parameter.v0_name is not None
}
"""Names that are others at the documented endpoint."""

ARGUMENTS: Final[Mapping[str, tuple[str, Parameter]]] = {
    argument: (name, parameter)
    for name, parameter in PARAMETERS.items()
    for argument in (name, parameter.v0_name)
    if argument is not None
}
"""The parameters by either of their names, each with its name at the completions endpoint."""
