"""The page at /docs, which describes and tries the API, under a policy that lets it load its own scripts alone."""

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

DOCS_PATH: Final = "/docs"
STATIC_PATH: Final = f"{DOCS_PATH}/static"
"""Where `fastapi-offline` serves the page's scripts."""

_PARAMETERS: Final[dict[str, Any]] = {"validatorUrl": None, "tryItOutEnabled": True}
"""Settings of the page; the validator is off because it calls another host."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_INLINE_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def add_docs_page(app: FastAPI) -> None:
    """Add the page to an application."""
    page = get_swagger_ui_html(
        openapi_url=str(app.openapi_url),
        title=app.title,
        swagger_js_url=f"{STATIC_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{STATIC_PATH}/swagger-ui.css",
        swagger_favicon_url=f"{STATIC_PATH}/favicon.png",
        swagger_ui_parameters=_PARAMETERS,
    )
    content = bytes(page.body)
    digests = (b64encode(sha256(script).digest()).decode() for script in _INLINE_SCRIPT.findall(content))
    policy = _POLICY.format(scripts=" ".join(f"'sha256-{digest}'" for digest in digests))

    @app.get(DOCS_PATH, include_in_schema=False)
    async def get_docs() -> HTMLResponse:
        return HTMLResponse(content, headers={"Content-Security-Policy": policy})
