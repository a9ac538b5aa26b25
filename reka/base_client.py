"""`BaseClient`, what both clients share: their settings, and the capabilities of the servers they have called."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike
from typing import Final, TypeVar, cast

from reka import config, endpoint
from reka._calls import flows, local_datasets
from reka._calls.capabilities import HostModels, Refusals, ServerCapabilities
from reka._calls.documents.flows import with_filter
from reka._calls.flow import Flow
from reka._calls.host_models import learning_models
from reka._calls.local_datasets import AnswerFlow
from reka._inputs import validation
from reka._inputs.chat_request import ChatRequest
from reka._lazy import IMPORTING
from reka._protocol.addresses import is_sent_in_clear
from reka._protocol.checks import require_utf8
from reka._protocol.forms import FORMS
from reka._protocol.retries import RetryPolicy
from reka._telemetry.active import active_tracer
from reka._transport.retry import Limits
from reka._transport.settings import TransportSettings
from reka._wire.dialect import APIS
from reka.config import Timeout
from reka.endpoint import Server, environment
from reka.types import Api, FormChoice, OnEvent

T = TypeVar("T")

_LOG: Final = logging.getLogger("reka")


class BaseClient:
    """Checked settings of a client; `Reka` describes them."""

    def __init__(
        self,
        api_key: str | None,
        base_url: str | None,
        timeout: float | Timeout | None,
        max_retries: int,
        api: Api,
        datasets: str | None,
        max_media_bytes: int,
        headers: Mapping[str, str | bytes | None] | None,
        proxies: Mapping[str, str] | None,
        ca_bundle: str | PathLike[str] | None,
        on_event: OnEvent | None,
        form: FormChoice | None,
    ) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._api: Api = validation.one_of(api, "api", APIS)
        self._form: FormChoice | None = None if form is None else validation.one_of(form, "form", FORMS)
        self._datasets = None if datasets is None else endpoint.checked_place(datasets, "datasets")
        self._max_media_bytes = max_media_bytes
        self._limits = Limits(config.as_timeout(timeout), RetryPolicy(max_retries))
        self._transport_settings = TransportSettings(
            validation.headers(headers, "headers"),
            validation.proxies(proxies, "proxies"),
            validation.path(ca_bundle, "ca_bundle"),
            validation.callback(on_event, "on_event"),
        )
        self._capabilities: dict[str, ServerCapabilities] = {}  # by URL of the server
        self._models_of: Callable[[Server], HostModels] = lambda _: HostModels()
        self._refusals: Refusals = "host"
        self._asks_for_models = False

    def __repr__(self) -> str:
        """Show the address, never the key."""
        return f"{type(self).__name__}(base_url={self._base_url!r})"

    def _capabilities_of(self, server: Server) -> ServerCapabilities:
        """Return what this client has learned of a server; later calls add to the same object."""
        capabilities = self._capabilities.get(server.url)
        if capabilities is None:
            capabilities = ServerCapabilities(
                server.url, self._form or _form(), self._models_of(server), self._refusals
            )
            capabilities = self._capabilities.setdefault(server.url, capabilities)
            if is_sent_in_clear(server.url):  # once for each server of a client
                _LOG.warning("key and questions go to %s in clear text: use https if it has that", server.url)
        return capabilities

    def _ask_for_models(self, models_of: Callable[[Server], HostModels], refusals: Refusals) -> None:
        """Have the first call to each server ask what that says of its models; call this before any other call.

        Args:
            models_of: Returns what a server has said; clients may share it.
            refusals: What is refused by it.
        """
        self._models_of, self._refusals, self._asks_for_models = models_of, refusals, True

    def _place(self) -> str:
        """Where the datasets of a call live, now."""
        return endpoint.current_place(self._datasets, self._base_url)

    def _answer_flow(self, answer: AnswerFlow[T], request: ChatRequest) -> Callable[[ServerCapabilities], Flow[T]]:
        """Make the flow that answers a request, from its dataset if it names one."""
        flow = self._dataset_flow(answer, request)
        if self._asks_for_models:
            flow = partial(learning_models, flow, request)
        if (tracer := active_tracer()) is None:
            return flow
        with IMPORTING:
            from reka._calls.traced import traced_answer

        return partial(traced_answer, tracer, flow, request, answer is flows.stream)

    def _dataset_flow(self, answer: AnswerFlow[T], request: ChatRequest) -> Callable[[ServerCapabilities], Flow[T]]:
        flow: Callable[[ServerCapabilities], Flow[T]] = partial(answer, request, self._api)
        if request.dataset is None:
            return flow
        require_utf8(request.arguments())  # before what comes first: a search, or a look at what the server can do
        place = self._place()
        if endpoint.is_local(place):
            return partial(local_datasets.answer_over_passages, answer, request, self._api, place)
        if request.filter is not None:
            flow = partial(with_filter, flow)
        return self._host_flow(place, flow)

    def _host_flow(
        self, place: str, flow: Callable[[ServerCapabilities], Flow[T]]
    ) -> Callable[[ServerCapabilities], Flow[T]]:
        """Make the flow that uses the host's datasets out of one for a host that has some."""
        return partial(local_datasets.on_host, flow) if place == endpoint.AUTO else flow


def _form() -> FormChoice:
    """The form that the environment sets, else `auto`."""
    form = cast("FormChoice", environment("REKA_FORM") or "auto")
    return validation.one_of(form, "REKA_FORM", FORMS)
