"""The page at `/`, for browsers: its files, under a policy that lets it load these alone and call this server alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from fastapi import FastAPI, HTTPException
from starlette.requests import Request
from starlette.responses import Response

PAGE_PATH: Final = "/"
FILES_PATH: Final = "/page"

_HTML: Final = "index.html"
_KINDS: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_CACHING: Final = "no-cache"
"""A browser keeps the files, and asks each time whether they are those of the server that runs now."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The last two make the browser refuse any text that a script would have it read as markup or as code."""

_HTML_HEADERS: Final = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer", "Vary": "Accept"}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    kind: str
    tag: str


def is_page_wanted(accept: str) -> bool:
    """Whether an Accept header asks for HTML rather than JSON: what browsers send where a user opens an address."""
    weights = dict(map(_weight, accept.split(",")))
    return weights.get("text/html", 0.0) > weights.get("application/json", 0.0)


def page_response(request: Request) -> Response:
    """Answer with the page."""
    return _respond(request, _files()[_HTML], _HTML_HEADERS)


def add_page_files(app: FastAPI) -> None:
    """Add the route of the files that the page loads to an application."""

    @app.get(FILES_PATH + "/{name}", include_in_schema=False)
    async def get_page_file(name: str, request: Request) -> Response:
        file = _files().get(name)
        if file is None or name == _HTML:
            raise HTTPException(404)
        return _respond(request, file, {})


@cache
def _files() -> Mapping[str, _File]:
    """All files of the page by name, read once."""
    found = {}
    for path in files("reka.server").joinpath("page").iterdir():
        kind = _KINDS.get(path.name.rpartition(".")[2])
        if kind is not None:
            content = path.read_bytes()
            found[path.name] = _File(content, kind, f'"{sha256(content).hexdigest()[:32]}"')
    return found


def _respond(request: Request, file: _File, headers: Mapping[str, str]) -> Response:
    sent = {**headers, "ETag": file.tag, "Cache-Control": _CACHING}
    known_tags = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if file.tag in known_tags:
        return Response(status_code=304, headers=sent)
    return Response(file.content, headers=sent, media_type=file.kind)


def _weight(item: str) -> tuple[str, float]:
    """Read an item of an Accept header: a media type, and the weight of its parameter `q`."""
    kind, *parameters = item.split(";")
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                weight = float(value)
            except ValueError:
                weight = 0.0
    return kind.strip().lower(), weight
