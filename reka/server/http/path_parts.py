"""Names in paths: any text in one part of a path, also one with a slash.

Servers decode the path of a request before it is routed, so that `a%2Fb` would be two parts. Here a part keeps its
slashes and percent signs encoded until its route is found: `{name:part}` decodes them.
"""

from typing import ClassVar
from urllib.parse import unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send


class PathPartsMiddleware:
    """Keeps slashes that are encoded apart from those between the parts of a path."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        raw_path: bytes = scope.get("raw_path") or b""
        if b"%" in raw_path:
            scope["path"] = _path(raw_path)  # in place: what is around this reads the route from the scope
        await self._app(scope, receive, send)


class _Part(Convertor[str]):
    """`{name:part}`: one part of a path, decoded."""

    regex: ClassVar[str] = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        return _encoded(value)


class _Rest(_Part):
    """`{name:rest}`: the rest of a path, decoded."""

    regex: ClassVar[str] = ".*"


register_url_convertor("part", _Part())
register_url_convertor("rest", _Rest())


def _path(raw_path: bytes) -> str:
    """Decode a path but for slashes and percent signs within its parts."""
    parts = raw_path.decode("latin-1").split("/")
    return "/".join(_encoded(unquote(part)) for part in parts)


def _encoded(part: str) -> str:
    return part.replace("%", "%25").replace("/", "%2F")
