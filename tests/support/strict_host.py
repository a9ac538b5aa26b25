"""What the strict hosts have in common: endpoints, keys, models, headers, and answers, whole and streamed.

A strict host takes what its form of the API has and refuses all else. Answers can be scripted as `FakeReka`'s are; a
request with no scripted answer is checked, and answered by the rule-based model.
"""

import argparse
import itertools
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final, TypeAlias

from reka.testing import Answer, Connection, FakeReka, RecordedRequest, answer
from reka.testing.bodies import DONE, events
from tests.support.strict_answers import ModelAnswer, make_answer, response
from tests.support.strict_models import Model
from tests.support.strict_wire import RefusalError, check_model

CHAT: Final = "POST /v1/chat/completions"
MODELS: Final = "GET /v1/models"
RATE_LIMIT: Final = 60
"""Requests a minute, as the headers say; the hosts do not hold to it."""

Reply: TypeAlias = Answer | Iterator[dict[str, Any]]
"""A whole answer, or the chunks of a stream."""


class StrictHost(FakeReka, ABC):
    """A host on a free loopback port; it listens once built, and until its block ends.

    Args:
        models: What it offers; None for what the form's own host does.
        key: The key that it wants; None takes any, but wants one.
        key_headers: Headers that may have the key: `authorization`, `x-api-key`; None for the form's own.
        endpoints: What it serves, such as `POST /v1/chat/completions`; None for the form's own.
        modalities: What every model takes besides text, such as `image`; None for the models' own.
        extra_fields: Fields of a chat's body that it takes, and does not look at.
        failures: Status and body of each of its first answers.
    """

    default_models: ClassVar[Sequence[Model]]
    default_key_headers: ClassVar[Collection[str]]
    default_endpoints: ClassVar[Collection[str]] = (CHAT, MODELS)

    def __init__(
        self,
        *,
        models: Iterable[Model] | None = None,
        key: str | None = None,
        key_headers: Collection[str] | None = None,
        endpoints: Collection[str] | None = None,
        modalities: Iterable[str] | None = None,
        extra_fields: Iterable[str] = (),
        failures: Iterable[tuple[int, object]] = (),
    ) -> None:
        super().__init__()
        offered = list(self.default_models if models is None else models)
        if modalities is not None:
            beside_text = frozenset(modalities)
            offered = [replace(model, modalities=beside_text) for model in offered]
        self.models = {model.name: model for model in offered}
        self.key = key
        self.key_headers = self.default_key_headers if key_headers is None else key_headers
        self.extra_fields = frozenset(extra_fields)
        served = self.default_endpoints if endpoints is None else endpoints
        handlers = self.handlers()
        self._routes = {endpoint: handlers[endpoint] for endpoint in served}
        self._numbers = itertools.count(1)
        self.otherwise = self._respond
        for status, body in failures:
            self.will_answer(status, body)

    def handlers(self) -> dict[str, Callable[[RecordedRequest], Reply]]:
        """What answers each endpoint that the form has."""
        return {CHAT: self.chat, MODELS: lambda _: answer(200, self.model_list())}

    @abstractmethod
    def model_list(self) -> object:
        """The body of the list of models."""

    @abstractmethod
    def check(self, body: Mapping[str, Any]) -> None:
        """Check that a chat's body is one of this form.

        Raises:
            RefusalError: It is not.
        """

    @abstractmethod
    def chunks(self, body: Mapping[str, Any], result: ModelAnswer) -> Iterator[dict[str, Any]]:
        """A streamed answer, chunk by chunk."""

    def refusal(self, path: str, error: RefusalError) -> Answer:
        """The answer to a refused request."""
        return answer(error.status, error.body)

    def chat(self, request: RecordedRequest) -> Reply:
        """Answer a chat."""
        body = json_body(request)
        if isinstance(body, dict):
            body = {name: value for name, value in body.items() if name not in self.extra_fields}
        self.check(body)
        result = self.generate(body)
        return self.chunks(body, result) if body.get("stream") else answer(200, response(result))

    def generate(self, body: Mapping[str, Any]) -> ModelAnswer:
        """Have the model that a body names answer it.

        Raises:
            RefusalError: There is no such model, or it has not what the body asks for.
        """
        name = body["model"]
        if name not in self.models:
            raise RefusalError(404, f"model: there is no model {name}", "model")
        check_model(self.models[name], body)
        return make_answer(body, self.models[name], next(self._numbers))

    def _respond(self, connection: Connection) -> None:
        request = connection.recorded
        headers = self._headers()
        try:
            reply = self._reply(request)
        except RefusalError as error:
            reply = self.refusal(request.path, error)
        except Exception as error:  # noqa: BLE001  # a host answers what it fails on too
            reply = self.refusal(request.path, RefusalError(500, f"{type(error).__name__}: {error}"))
        if isinstance(reply, Answer):
            replace(reply, headers={**headers, **reply.headers})(connection)
        else:
            connection.begin("text/event-stream", headers)
            for chunk in reply:
                connection.chunk(events(chunk))
            connection.chunk(DONE)
            connection.chunk(b"")
            connection.keep_open()

    def _reply(self, request: RecordedRequest) -> Reply:
        self._check_key(request)
        path = request.path.partition("?")[0]
        if route := self._routes.get(f"{request.method} {path}"):
            return route(request)
        if methods := [endpoint.split()[0] for endpoint in self._routes if endpoint.endswith(f" {path}")]:
            return answer(405, {"detail": "Method Not Allowed"}, {"Allow": ", ".join(methods)})
        raise RefusalError(404, f"there is nothing at {path}")

    def _check_key(self, request: RecordedRequest) -> None:
        keys = [request.headers.get(name, "") for name in self.key_headers if name != "authorization"]
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if "authorization" in self.key_headers and scheme == "Bearer":
            keys.append(token)
        if not any(key and self.key in (None, key) for key in keys):
            raise RefusalError(401, f"want the key of an account in {' or '.join(self.key_headers)}")

    def _headers(self) -> dict[str, str]:
        number = len(self.requests)
        return {
            "x-request-id": f"request-{number}",
            "x-ratelimit-limit": str(RATE_LIMIT),
            "x-ratelimit-remaining": str(max(0, RATE_LIMIT - number)),
            "x-ratelimit-reset": str(int(time.time()) + 60),
        }


def json_body(request: RecordedRequest) -> Any:
    """The body of a request.

    Raises:
        RefusalError: It is no JSON.
    """
    try:
        return request.json
    except (ValueError, RecursionError) as error:
        raise RefusalError(400, f"body: want JSON: {error}") from error


def run(host: type[StrictHost]) -> None:
    """Run a host as a program, which writes its address and ends when it is stopped."""
    parser = argparse.ArgumentParser(description=host.__doc__)
    parser.add_argument("--key", help="the key that it wants; any if there is none")
    with host(key=parser.parse_args().key) as running:
        print(running.url, flush=True)
        threading.Event().wait()
