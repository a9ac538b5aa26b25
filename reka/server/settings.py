"""All settings and limits of the server, with their defaults, units and environment variables."""

import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reka._protocol.addresses import Secret
from reka._protocol.constants import MAX_RETRIEVED_CHUNKS, RETRIEVED_CHUNKS
from reka._protocol.datasets import KEPT_END
from reka._protocol.models import REKA_MODELS

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://[^/\\s?#@]+")


def _user_data() -> Path:
    from platformdirs import user_data_path

    return user_data_path("reka") / "server"


class Settings(BaseSettings):
    """Settings of a server. Each can be set by an environment variable: REKA_SERVER_ and the field's name.

    All defaults are ours: the documented API specifies none of them.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="REKA_SERVER_", frozen=True, extra="forbid"
    )

    host: str = "127.0.0.1"
    """Address to listen on. Any address but loopback requires registered API keys."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 selects a free one."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names besides this machine's own that a server on loopback is asked for, by a tunnel or a proxy; `*` allows
    any, also to web pages that have pointed their own name to this machine."""
    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may ask this server, such as `https://chat.example.org`; `*` allows any."""
    require_key: bool = False
    """Whether a server on loopback takes registered API keys only, as one on any other address does."""
    tls_cert: Path | None = None
    """PEM file with the certificate, and those between it and the authority's; None for HTTP without TLS."""
    tls_key: Path | None = None
    """PEM file with the certificate's private key, not encrypted; None if it is in `tls_cert`."""
    data_dir: Path = Field(default_factory=_user_data)
    """Folder of all stored data, for one server at a time."""
    workers: int = Field(default=1, ge=1, le=256)
    """Number of processes that answer requests, on one port of this machine; on Linux and macOS."""
    no_worker: bool = False
    """Whether the server runs no jobs itself, as `reka worker` runs them beside it."""
    database_url: str | None = None
    """SQLAlchemy URL of the database of datasets, jobs and keys: SQLite, or PostgreSQL with the extra `reka[postgres]`;
    None for SQLite in `data_dir`."""
    lease_seconds: float = Field(default=15, ge=1)
    """Time in seconds without a sign of life after which a process is taken for dead: others go on with its jobs."""

    store_url: str | None = None
    """Where files and tables are, for any number of servers: `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`,
    `az://CONTAINER/PREFIX` or `file:///SHARED/FOLDER`; None for `data_dir`. Credentials and endpoint are in the usual
    environment variables of each cloud."""
    store_seconds: float = Field(default=20, gt=0)
    """Maximum time in seconds in which the store must have answered one request, of up to 8 MiB; what failed within
    half of it is tried again up to three times."""
    cache_bytes: int = Field(default=10 * GIB, ge=1)
    """Maximum size in bytes of the copies that each server process keeps in `data_dir` of what it uses of the store. A
    dataset whose table is larger is searched in the store itself, which is slow."""
    orphan_seconds: float = Field(default=600, gt=0)
    """Time in seconds after which what a killed process has left in the store is removed, and between two looks."""

    access_log: str | None = None
    """File that a line is appended to for each request, or `-` for the standard output; None for no such log. A line
    has no key, no name of a dataset and no text."""
    access_log_format: Literal["auto", "json", "text"] = "auto"
    """Form of these lines: `json`, `text`, or `auto`, which is text for a terminal and JSON for all else."""
    access_log_paths: bool = False
    """Whether they have the path of each request, in which names of datasets and documents are."""
    access_log_prompts: bool = False
    """Whether they have the text of each question and query."""

    upstream: str | None = None
    """Base URL of an OpenAI-compatible API; None for quotations without a language model."""
    upstream_model: str | None = None
    """Name of the one model at the upstream that answers all requests; None lets a request name any that it lists."""
    upstream_key_env: str | None = None
    """Name of the environment variable with the upstream's API key; None if it needs none."""
    upstream_api: Literal["auto", "openai", "reka"] = "auto"
    """Form of requests that the upstream accepts: OpenAI's, or that of Reka's host in 2025; `auto` finds out which."""
    upstream_retries: int = Field(default=2, ge=0, le=10)
    """Maximum number of retries when the upstream is busy, fails or is unreachable, before any part of a response."""
    upstream_concurrency: int = Field(default=512, ge=1)
    """Maximum number of concurrent requests to the upstream."""
    upstream_queue: int = Field(default=512, ge=0)
    """Maximum number of requests that wait for the upstream; further ones are rejected with 503."""
    upstream_queue_wait: float = Field(default=60, gt=0)
    """Maximum time that a request waits for the upstream, in seconds."""
    upstream_connect: float = Field(default=10, gt=0)
    """Connect timeout of the upstream in seconds."""
    upstream_silence: float = Field(default=300, gt=0)
    """Read timeout of the upstream in seconds: a large model may take long until its first token."""
    readiness_seconds: float = Field(default=5, ge=0)
    """Time in seconds for which `GET /readyz` repeats what the upstream answered, however many ask it."""
    models: tuple[str, ...] = REKA_MODELS
    """Names that a chat may use. One that the upstream lists is that model, unless `upstream_model` is set; the others
    stand for `upstream_model`, or for the first that the upstream lists. Unless this is set, a chat may also name any
    model of the upstream; set it to restrict the names."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    """Maximum number of requests in a minute of each owner of keys; None for no limit, as one user alone may send
    thousands. A further one is refused with 429; `x-ratelimit-...` headers tell what is left."""
    concurrent_chats: int | None = Field(default=None, ge=1)
    """Maximum number of chats at once of each owner of keys; None for no limit but `upstream_concurrency`."""
    max_datasets: int | None = Field(default=10_000, ge=1)
    """Maximum number of datasets of each owner of keys; None for no limit."""
    max_stored_bytes: int | None = Field(default=None, ge=1)
    """Maximum size of all datasets of each owner of keys, in bytes as uploaded; None for no limit but the disk's."""

    max_head_bytes: int = Field(default=64 * KIB, ge=1 * KIB)
    """Maximum size of a request's head in bytes: its target and its headers."""
    max_headers: int = Field(default=100, ge=10)
    """Maximum number of a request's headers."""
    head_seconds: float = Field(default=20, gt=0)
    """Maximum time in seconds until a request's head has come whole, from when its connection is open or its first
    byte has come."""
    body_seconds: float = Field(default=30, gt=0)
    """Maximum time in seconds without any of a request's body; see `body_bytes_per_second`."""
    body_bytes_per_second: float = Field(default=500, gt=0)
    """Least speed of a body in bytes per second, after `body_seconds` that each body may lag behind."""
    send_seconds: float = Field(default=60, gt=0)
    """Maximum time in seconds in which a client reads nothing of a response that is waiting for it."""
    drain_seconds: float = Field(default=30, ge=0)
    """Maximum time in seconds in which requests end after SIGTERM, while `GET /readyz` says 503; see `run.serve`."""
    max_connections: int = Field(default=4096, ge=1)
    """Maximum number of open connections; a further one closes the one that has waited longest for a request."""
    max_json_items: int = Field(default=100_000, ge=1)
    """Maximum number of values in a JSON body."""
    max_wide_text_bytes: int = Field(default=16 * MIB, ge=1 * KIB)
    """Maximum size in bytes of the strings of a JSON body that are not plain ASCII: in memory they take up to four
    times as much. Media as base64 are plain ASCII."""
    max_upload_bytes: int = Field(default=5 * GIB, gt=0)
    """Maximum size of an uploaded file in bytes."""
    max_unpacked_bytes: int = Field(default=20 * GIB, gt=0)
    """Maximum unpacked size of a zip in bytes."""
    max_zip_entries: int = Field(default=10_000, gt=0)
    """Maximum number of files and folders in a zip."""
    max_compression_ratio: int = Field(default=100, gt=0)
    """Maximum ratio of a zip's unpacked size to its size: text seldom exceeds ten, a zip bomb a thousand."""
    max_body_bytes: int = Field(default=64 * MIB, gt=0)
    """Maximum size of a JSON body in bytes; it may contain media as base64."""
    max_name_chars: int = Field(default=128, gt=KEPT_END, le=255)
    """Maximum length of a dataset's name in characters; the middle of a longer one is left out."""
    max_documents: int = Field(default=1_000_000, ge=1)
    """Maximum number of documents in a dataset."""
    max_document_bytes: int = Field(default=16 * MIB, ge=1)
    """Maximum size of the text of a document that is put, in bytes; a file that is uploaded may be larger."""
    max_metadata_bytes: int = Field(default=16 * KIB, ge=1)
    """Maximum size of the metadata of a document in bytes."""
    max_description_bytes: int = Field(default=64 * KIB, gt=0)
    """Maximum size of a dataset's description in bytes."""

    chunk_chars: int = Field(default=800, ge=50, le=20_000)
    """Maximum length of a chunk in characters."""
    embedder: str = Field(default="auto", max_length=255)
    """What compares texts beside keywords: `wordllama`, `universal-sentence-encoder` (16 languages), `upstream:MODEL`
    (an OpenAI-compatible `/embeddings`), `sentence-transformers:MODEL` (a model on this machine), or `none`; `auto` is
    the first of the first two that is installed. A dataset keeps the one that it was prepared with."""
    embedder_url: str | None = None
    """Base URL of the API of `upstream:MODEL`; None for `upstream`."""
    embedder_key_env: str | None = None
    """Name of the environment variable with the key of `embedder_url`; None if it needs none."""
    ray: str | None = None
    """Address of the Ray cluster on which jobs embed chunks: `HOST:PORT` or `auto` on one of its machines, elsewhere
    `ray://HOST:PORT`; None for the process that runs the jobs."""
    ray_after_seconds: float = Field(default=10, ge=0)
    """Time in seconds for which a job embeds by itself before the cluster gets the rest of its chunks: it takes as long
    to start there."""
    ray_gpus: float = Field(default=0, ge=0)
    """GPUs of each task on the cluster; a share of one, such as 0.25, lets several tasks have it."""
    search_memory_bytes: int = Field(default=1024 * MIB, ge=0)
    """Maximum size of what a process holds of datasets in memory, in bytes: chunks and vectors of those searched last,
    of up to 200,000 chunks each (100,000 take about 280 MB). Others are read from the disk at each search."""
    retrieval_top_k: int = Field(default=RETRIEVED_CHUNKS, ge=1, le=MAX_RETRIEVED_CHUNKS)
    """Number of chunks retrieved for a chat that does not set `retrieval_top_k`."""

    @field_validator("database_url")
    @classmethod
    def _hide_password(cls, url: str | None) -> str | None:
        return None if url is None else Secret(url)

    @field_validator("allowed_hosts")
    @classmethod
    def _check_host_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name != "*" and not _HOST_NAME.fullmatch(name):
                raise ValueError(f"got {name!r}, want the name of a host, without a scheme, a port or a path")
        return names

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"got {origin!r}, want an origin as browsers send it, such as https://chat.example.org"
                )
        return origins

    @property
    def is_loopback(self) -> bool:
        """Whether `host` is only reachable from this machine."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def upstream_key(self) -> str | None:
        """The upstream's API key, read from the environment now.

        Raises:
            ValueError: The variable that `upstream_key_env` names is not set, or empty.
        """
        return _key_in("upstream_key_env", self.upstream_key_env)

    @property
    def embedder_key(self) -> str | None:
        """The key of `embedder_url`, read from the environment now.

        Raises:
            ValueError: The variable that `embedder_key_env` names is not set, or empty.
        """
        return _key_in("embedder_key_env", self.embedder_key_env)


def _key_in(setting: str, variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise ValueError(f"{setting}: the environment variable {variable} is not set or empty")
    return Secret(key)


def describe_settings_error(error: ValidationError) -> str:
    """Describe the invalid settings in one line."""
    problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return f"the server's settings (options, or REKA_SERVER_... in the environment): {problems}"
