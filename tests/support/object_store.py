"""An S3 server on loopback, which can refuse, hang and count what it is asked."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import obstore
import requests
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from obstore.store import S3Store
from werkzeug.serving import WSGIRequestHandler, make_server


class ObjectStoreServer:
    """The server; each test uses a bucket of its own."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        """Method and path of the requests since the list was last cleared."""
        self.is_refusing = False
        """Whether every request is answered 503."""
        self._gate = threading.Event()
        self._gate.set()
        self._app: Any = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_QuietHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def environment(self) -> dict[str, str]:
        """The variables by which a server finds it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "an-id",
            "AWS_SECRET_ACCESS_KEY": "a-secret",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def create_bucket(self, name: str) -> None:
        assert requests.put(f"{self.url}/{name}", timeout=10).ok

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Answer nothing until the block ends."""
        self._gate.clear()
        try:
            yield
        finally:
            self._gate.set()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        self._gate.wait(60)
        if self.is_refusing:
            start_response("503 Slow Down", [("Content-Length", "0"), ("Connection", "close")])
            return [b""]
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer


class Bucket:
    """A bucket of that server, and what is in it."""

    def __init__(self, server: ObjectStoreServer, name: str) -> None:
        self.server = server
        self.name = name
        self.url = f"s3://{name}/reka"
        server.create_bucket(name)

    def objects(self) -> list[str]:
        """The names of all objects, without the prefix, sorted."""
        return sorted(entry["path"] for batch in obstore.list(self._store()) for entry in batch)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Delete it until the block ends, and put everything back then."""
        store = self._store()
        kept = {name: bytes(obstore.get(store, name).bytes()) for name in self.objects()}
        obstore.delete(store, list(kept))
        assert requests.delete(f"{self.server.url}/{self.name}", timeout=10).ok
        yield
        self.server.create_bucket(self.name)
        for name, content in kept.items():
            obstore.put(store, name, content)

    def _store(self) -> S3Store:
        return S3Store(
            self.name,
            prefix="reka",
            config={
                "endpoint": self.server.url,
                "access_key_id": "an-id",
                "secret_access_key": "a-secret",
                "region": "us-east-1",
            },
            client_options={"allow_http": True},
        )

    def kinds(self) -> dict[str, int]:
        """How many uploaded files and tables it has."""
        keys = self.objects()
        return {
            "files": sum(key.startswith("datasets/") for key in keys),
            "tables": len({key.split("/")[1] for key in keys if key.startswith("index/")}),
        }


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Log nothing."""


logging.getLogger("werkzeug").setLevel(logging.ERROR)
