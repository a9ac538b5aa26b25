"""The models of a server: which a chat may name, and what is known of each."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reka._protocol.models import model_fields, model_of
from reka.server.errors import NotFoundError, RefusedError
from reka.server.generation.types import ChatBackend, GenerationError
from reka.server.settings import Settings

__all__ = ["ModelCatalog"]

_SHOWN_NAMES: Final = 20
_WITHOUT_MODEL: Final = {"input_modalities": ["text"], "supported_features": []}


class ModelCatalog:
    """Lists models and resolves the names that chats use.

    With an upstream, and neither `upstream_model` nor `models` set, these are the upstream's own models, each answering
    under its name. Else one model answers under all of the names, but for those that the upstream lists, if
    `upstream_model` is not set.

    Args:
        settings: The settings `upstream`, `upstream_model` and `models`.
        backend: The backend that generates the responses.
    """

    def __init__(self, settings: Settings, backend: ChatBackend) -> None:
        self._backend = backend
        self._names = tuple(dict.fromkeys([*settings.models, *backend.model_names]))
        self._offers_upstream = (
            settings.upstream is not None
            and settings.upstream_model is None
            and "models" not in settings.model_fields_set
        )

    async def list(self) -> dict[str, dict[str, Any]]:
        """List the models by name, as `GET /v1/models` describes them; without the upstream's facts if it is down."""
        listed = await self._listed()
        names = listed if listed and self._offers_upstream else self._names
        return {name: self._describe(name, listed) for name in names}

    async def get(self, name: str) -> dict[str, Any]:
        """Describe one model that a chat may name, as `GET /v1/models/{id}` does.

        Raises:
            NotFoundError: There is no such model.
        """
        listed = await self._listed()
        if name not in self._names and not (self._offers_upstream and name in listed):
            raise NotFoundError(_no_model(name, listed if listed and self._offers_upstream else self._names))
        return self._describe(name, listed)

    async def resolve(self, name: str | None) -> str:
        """Return the name of a chat's model: the first model if the chat names none.

        Raises:
            RefusedError: There is no such model.
            GenerationError: Only the upstream knows, and it cannot be asked.
        """
        if name in self._names and name is not None:
            return name
        if not self._offers_upstream:
            if name is None:
                return self._names[0]
            raise RefusedError(_no_model(name, self._names))
        listed = self._backend.known_models or await self._backend.models()
        if name is None:
            return next(iter(listed))
        if name not in listed and name not in (listed := await self._backend.models()):
            raise RefusedError(_no_model(name, listed))
        return name

    async def _listed(self) -> Mapping[str, Mapping[str, Any]]:
        try:
            return await self._backend.models()
        except GenerationError:
            return {}

    def _describe(self, name: str, listed: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        model = name if name in listed or not listed else self._backend.language_model or name
        entry = model_of(model)
        fields = {} if entry is None else model_fields(entry)
        fields |= {name: value for name, value in listed.get(model, {}).items() if value is not None}
        if self._backend.language_model is None:
            fields |= _WITHOUT_MODEL
        return {"id": name, "object": "model", "created": 0, "owned_by": "reka"} | fields | {"id": name}


def _no_model(name: str, names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return f"There is no model {name[:100]!r}: this server has {', '.join(names[:_SHOWN_NAMES])}{more}"
