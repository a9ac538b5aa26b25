"""What a client has learned of one server."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Literal, TypeAlias

from reka._wire.dialect import Dialect
from reka.types import Form, FormChoice, Model

_LOG: Final = logging.getLogger("reka")


Refusals: TypeAlias = Literal["none", "host", "table"]
"""What a client refuses to send once it has asked what a server says of its models: nothing; media and tools that a
model does not take by the server's word; or also media that it does not take by the built-in table, where the server is
silent."""


@dataclass(slots=True, eq=False)
class HostModels:
    """What a server says of its models. Clients may share it, in threads and event loops."""

    by_name: Mapping[str, Model] = field(default_factory=dict)
    """Each model as the server describes it, without facts of the built-in table; empty until it was asked."""

    replacements: dict[str, str] = field(default_factory=dict)
    """Models that answer in place of defaults that the server lacks, by the name of the default."""

    is_settled: bool = False
    """Whether the server has been asked, even in vain."""

    asking: Lock = field(default_factory=Lock)
    """Held by the call that asks. Nobody blocks on it."""

    def learn(self, models: Iterable[Model]) -> None:
        """Remember what the server says."""
        self.by_name = {model.id: model for model in models}
        self.is_settled = True


@dataclass(slots=True, eq=False, repr=False)
class ServerCapabilities:
    """What a client has learned of one server; calls add to it."""

    url: str

    form: FormChoice = "auto"
    """The caller's choice of the form of completions."""

    models: HostModels = field(default_factory=HostModels)

    refusals: Refusals = "host"

    features: frozenset[str] | None = None
    """What it can do beyond the documented API; None until it was asked."""

    lacking: set[Dialect] = field(default_factory=set)
    """Generations of the API whose endpoint for chats it does not have; the other one answered in its place."""

    has_datasets: bool | None = None
    """Whether it has endpoints for datasets; None until it was asked."""

    forms: dict[str, Form] = field(default_factory=dict)
    """Forms that requests with tools or media were accepted in, by model."""

    whole_tools: set[str] = field(default_factory=set)
    """Models whose streams are empty if the request has tools."""

    def form_of(self, model: str) -> Form:
        """The form to send a request to a model in."""
        return self.forms.get(model, "openai") if self.form == "auto" else self.form

    def learn_form(self, model: str, form: Form) -> None:
        """Remember the form that a model's host accepts."""
        if self.forms.get(model) != form:
            _LOG.info("the server accepts requests to %s in the %s form", model, form)
            self.forms[model] = form
