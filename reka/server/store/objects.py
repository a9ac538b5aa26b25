"""The objects of a store, through obstore: every request is bounded in time, and every fault is one class of error."""

import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from reka.server.store.address import StoreAddress

logger: Final = logging.getLogger(__name__)

MARKER: Final = "reka-store.json"
"""Object that marks a store as a server's."""

CONNECT_SECONDS: Final = 3
"""Seconds in which a store must accept a connection (ours)."""

RETRIES: Final = 3
"""Times that a failed request is sent again, within half of its time; who waits longer is a job (ours)."""

CHECK_SECONDS: Final = 3
"""Seconds in which a store must answer whether it is there (ours)."""

PART_BYTES: Final = 8 * 1024 * 1024
"""Bytes sent or read in one request: a store takes 10,000 parts, so 80 GB (ours)."""

_PARTS_AT_ONCE: Final = 4
_QUERY: Final = re.compile(r"\?[^\s)\"']*")
_DETAIL_CHARS: Final = 300


class StoreUnavailableError(ConnectionError):
    """The store does not answer, or refuses. It can pass; the message has no address and no secret."""

    description = "the object store does not answer, or refuses"


class Objects:
    """The objects of one store. Safe to share between threads."""

    def __init__(self, address: StoreAddress, seconds: float) -> None:
        """Use a store, with the credentials and the endpoint that the environment variables of its cloud name.

        Args:
            address: The store's address.
            seconds: Time in which the store must have answered one request, which carries PART_BYTES at most.
        """
        self.address = address
        self.seconds = seconds
        self.is_bound: bool = False
        """Whether the store has its marker, without which it is not there any more; set once that is so."""
        self._store = _open(address, seconds, RETRIES)
        self._probe = _open(address, CHECK_SECONDS, 0)

    def put(self, key: str, path: Path, on_part: Callable[[], object] = lambda: None) -> None:
        """Store a file, in parts that are read from the disk when they are sent; it is there whole, or not at all.

        Args:
            key: Name of the object.
            path: The file.
            on_part: Called whenever a part has been read; an exception it raises ends the transfer.
        """

        def parts() -> Iterator[bytes]:
            with path.open("rb") as file:
                while part := file.read(PART_BYTES):
                    on_part()
                    yield part

        small = path.stat().st_size <= PART_BYTES
        with self._faults(f"store {key}"):
            _api().put(
                self._store,
                key,
                path if small else parts(),
                use_multipart=not small,
                chunk_size=PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )

    def put_new(self, key: str, content: bytes) -> bool:
        """Store an object unless there is one of that name; tell whether it was stored."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._faults(f"store {key}"):
            try:
                _api().put(self._store, key, content, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def read(self, key: str) -> bytes | None:
        """Read a small object; None if there is none of that name."""
        with self._faults(f"read {key}"):
            try:
                return bytes(_api().get(self._store, key).bytes())
            except FileNotFoundError:
                return None

    def has(self, key: str) -> bool:
        """Tell whether there is an object of that name."""
        with self._faults(f"look for {key}"):
            try:
                _api().head(self._store, key)
            except FileNotFoundError:
                return False
        return True

    def fetch(self, key: str, path: Path, size: int | None = None) -> int:
        """Copy an object to a file, which is there whole or not at all; return its size in bytes.

        Raises:
            FileNotFoundError: There is no such object.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{token_hex(8)}")
        try:
            with self._faults(f"read {key}"):
                if size is None:
                    size = int(_api().head(self._store, key)["size"])
                with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                    for start in range(0, size, PART_BYTES):
                        length = min(PART_BYTES, size - start)
                        file.write(_api().get_range(self._store, key, start=start, length=length))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return size

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return name and size in bytes of all objects under a prefix, which the names are without."""
        with self._faults(f"list {prefix}"):
            found = [entry for batch in _api().list(self._store, prefix) for entry in batch]
        return {entry["path"].removeprefix(f"{prefix}/"): entry["size"] for entry in found}

    def is_empty(self) -> bool:
        """Tell whether the store has no object at all."""
        with self._faults("list all"):
            return not next(iter(_api().list(self._store, chunk_size=1)), [])

    def folders(self, prefix: str) -> list[str]:
        """Return the names directly under a prefix that have objects under them."""
        with self._faults(f"list {prefix}"):
            found = _api().list_with_delimiter(self._store, prefix)["common_prefixes"]
        return [path.rstrip("/").rpartition("/")[2] for path in found]

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are ignored."""
        keys = list(keys)
        with self._faults("delete"):
            try:
                _api().delete(self._store, keys)
                return
            except FileNotFoundError:  # some stores say so, and may have stopped there
                pass
            for key in keys:
                try:
                    _api().delete(self._store, key)
                except FileNotFoundError:
                    continue

    def is_there(self, key: str) -> bool:
        """Tell whether an object can be read now, within CHECK_SECONDS; the log says why not."""
        from obstore.exceptions import BaseError

        try:
            _api().head(self._probe, key)
        except FileNotFoundError:
            logger.warning("the store %s lacks %s", self.address, key)
            return False
        except BaseError as error:
            logger.warning("the store %s does not answer: %s", self.address, _without_queries(error))
            return False
        return True

    def _require_marker(self) -> None:
        if self.is_bound and not self.is_there(MARKER):
            raise StoreUnavailableError(StoreUnavailableError.description)

    @contextmanager
    def _faults(self, work: str) -> Iterator[None]:
        """Turn what obstore raises into StoreUnavailableError, and log it; what is not there is FileNotFoundError.

        Where the marker is not, nothing is missing: the whole store is gone. In place of a folder that is gone, such as
        that of a volume, another one would be made and written to, so it is looked for first.
        """
        from obstore.exceptions import BaseError

        try:
            if self.address.scheme == "file":
                self._require_marker()
            yield
        except FileNotFoundError as error:
            self._require_marker()
            raise FileNotFoundError(2, "there is no such object", work) from error.__cause__
        except BaseError as error:
            logger.warning("the object store failed to %s: %s", work, _without_queries(error))
            raise StoreUnavailableError(f"{StoreUnavailableError.description} ({type(error).__name__})") from None

    def table_options(self) -> dict[str, str]:
        """Return the same bounds for LanceDB; it reads credentials and endpoint from the environment itself."""
        return {
            "connect_timeout": f"{CONNECT_SECONDS}s",
            "timeout": f"{round(self.seconds * 1000)}ms",
            "client_max_retries": str(RETRIES),
            "client_retry_timeout": str(math.ceil(self.seconds / 2)),
        }


def _open(address: StoreAddress, seconds: float, retries: int) -> Any:
    from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

    if address.scheme == "file":
        return LocalStore(address.prefix, mkdir=True)
    client: dict[str, Any] = {"connect_timeout": f"{CONNECT_SECONDS}s", "timeout": timedelta(seconds=seconds)}
    # obstore reads this variable itself only where it is given no options of the client.
    variables = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP", "ALLOW_HTTP")
    if any(os.environ.get(name, "").lower() in ("1", "true", "yes") for name in variables):
        client["allow_http"] = True
    retry: Any = {"max_retries": retries, "retry_timeout": timedelta(seconds=seconds / 2)}
    kinds: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
    return kinds[address.scheme](
        address.bucket, prefix=address.prefix or None, client_options=client, retry_config=retry
    )


def _api() -> Any:
    import obstore

    return obstore


def _without_queries(error: BaseException) -> str:
    """Say in one line what a store answered, without the queries of addresses, which may be signatures."""
    return _QUERY.sub("?...", str(error).partition("\n\nDebug")[0].replace("\n", " "))[:_DETAIL_CHARS]
