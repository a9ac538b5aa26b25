"""The form of requests that each of an upstream's models accepts, as far as it has shown."""

import logging
from typing import Final

from reka._protocol.forms import may_refuse_form, other_form, refuses_stream_options, reveals_form, written_differently
from reka._protocol.messages import normalize_messages
from reka.errors import InvalidConversationError
from reka.server.generation.types import GenerationError, GenerationRequest
from reka.server.generation.upstream.errors import RefusedRequestError
from reka.types import Form, FormChoice

__all__ = ["UpstreamForms"]

logger: Final = logging.getLogger(__name__)


class UpstreamForms:
    """Chooses the form of a request, and remembers by model what requests have shown; see `reka._protocol.forms`.

    Args:
        choice: The form of all requests; `auto` begins with OpenAI's, and tries the other one if that is refused.
    """

    def __init__(self, choice: FormChoice) -> None:
        self._choice: FormChoice = choice
        self._forms: dict[str, Form] = {}
        self._whole_tools: set[str] = set()

    def of(self, model: str) -> Form:
        """Return the form to send a request to a model in."""
        return self._forms.get(model, "openai") if self._choice == "auto" else self._choice

    def after(self, error: GenerationError, request: GenerationRequest, model: str) -> Form | None:
        """Return the form to try once after a refusal; None if the form cannot be its cause.

        A form that was remembered and is refused is forgotten.
        """
        if self._choice != "auto" or not isinstance(error, RefusedRequestError):
            return None
        if not may_refuse_form(error.upstream_status, error.code, error.reason, model):
            return None
        if not (_is_written_differently(request) or refuses_stream_options(error.reason)):
            return None
        form = self.of(model)
        self._forms.pop(model, None)
        return other_form(form)

    def learn(self, form: Form, request: GenerationRequest, model: str) -> None:
        """Remember the form in which a model has answered a request after it refused the other one."""
        if reveals_form(normalize_messages(request.messages), request.tools):
            logger.info("the upstream accepts requests to %s in the %s form", model, form)
            self._forms[model] = form

    def streams_tools(self, form: Form, model: str) -> bool:
        """Tell whether a model streams its response to a request with tools."""
        # The host that accepted the form of 2025 answered tools in a stream with an empty one (observed).
        return form == "openai" and model not in self._whole_tools

    def learn_empty_stream(self, model: str) -> None:
        """Remember that a model's stream was empty, while its whole response to the same request was not."""
        logger.info("the upstream does not stream responses of %s to requests with tools", model)
        self._whole_tools.add(model)


def _is_written_differently(request: GenerationRequest) -> bool:
    """Whether the forms write a request differently, and both can write it."""
    try:
        return written_differently(normalize_messages(request.messages), request.tools)
    except InvalidConversationError:
        return False
