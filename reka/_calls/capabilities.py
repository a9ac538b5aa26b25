"""What a client has learned of one server."""

import logging
from dataclasses import dataclass, field
from typing import Final

from reka._wire.dialect import Dialect
from reka.types import Form, FormChoice

_LOG: Final = logging.getLogger("reka")


@dataclass(slots=True)
class ServerCapabilities:
    """What a client has learned of one server; calls add to it."""

    url: str

    form: FormChoice = "auto"
    """The caller's choice of the form of completions."""

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

    default_model: str | None = None
    """The model to use where the caller names none and the server lacks the documented default."""

    def form_of(self, model: str) -> Form:
        """The form to send a request to a model in."""
        return self.forms.get(model, "openai") if self.form == "auto" else self.form

    def learn_form(self, model: str, form: Form) -> None:
        """Remember the form that a model's host accepts."""
        if self.forms.get(model) != form:
            _LOG.info("the server accepts requests to %s in the %s form", model, form)
            self.forms[model] = form
