"""The address of a shared store, as a URL."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

SCHEMES: Final = ("s3", "gs", "az", "file")
"""Kinds of stores: Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage, a folder."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a store is. It has no secret."""

    scheme: str
    bucket: str
    """Bucket or container; empty for a folder."""
    prefix: str
    """What the names of all objects begin with, without slashes at its ends; the path of a folder."""

    def uri(self, folder: str) -> str:
        """Return the URI of a folder in the store, as LanceDB takes it."""
        if self.scheme == "file":
            return f"{self.prefix}/{folder}"
        return f"{self.scheme}://{'/'.join(part for part in (self.bucket, self.prefix, folder) if part)}"

    def __str__(self) -> str:
        return f"file://{self.prefix}" if self.scheme == "file" else self.uri("")


def parse_store_url(url: str) -> StoreAddress:
    """Parse the URL of a store.

    Raises:
        ValueError: It is none; the message does not repeat it, as it may have a secret.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError("want s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or file:///FOLDER")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            "want no user, key or query in it: keys belong into the environment variables of the cloud, such as "
            "AWS_ACCESS_KEY_ID"
        )
    path = unquote(parts.path)
    if parts.scheme == "file":
        if parts.netloc or path.strip("/") == "":
            raise ValueError("want file:// and the absolute path of a folder, such as file:///srv/reka")
        return StoreAddress("file", "", path.rstrip("/"))
    if not parts.netloc:
        raise ValueError(f"want the name of a bucket in it, such as {parts.scheme}://bucket/prefix")
    if any(part in ("", ".", "..") for part in path.strip("/").split("/")) and path.strip("/"):
        raise ValueError("want a prefix without empty parts, . and ..")
    return StoreAddress(parts.scheme, parts.netloc, path.strip("/"))
