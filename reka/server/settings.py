"""Every setting and limit of the server: its default, its unit, and the environment variable that changes it."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from reka._protocol.defaults import MAX_RETRIEVED_CHUNKS, RETRIEVED_CHUNKS
from reka._protocol.models import REKA_MODELS
from reka._protocol.names import KEPT_END

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


def _user_data() -> Path:
    from platformdirs import user_data_path

    return user_data_path("reka") / "server"


class Settings(BaseSettings):
    """How a server runs. Each field can be set by an environment variable: REKA_SERVER_ and the field's name.

    All defaults are ours: the documented API names none of them.
    """

    model_config = SettingsConfigDict(env_prefix="REKA_SERVER_", frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Address to listen on. Any other than this machine's own needs keys."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    data_dir: Path = Field(default_factory=_user_data)
    """Folder of everything that is stored. One server at a time."""
    database_url: str | None = None
    """Where datasets, jobs and keys are recorded, as SQLAlchemy writes it; None for SQLite in `data_dir`."""

    upstream: str | None = None
    """Base URL of an OpenAI-compatible model; None for quoting without a language model."""
    upstream_model: str | None = None
    """The model to ask for there; None for the first that it lists."""
    upstream_key_env: str | None = None
    """Name of the environment variable with the key for it; None if it wants none."""
    upstream_api: Literal["auto", "openai", "reka"] = "auto"
    """The form of requests it takes: OpenAI's, or that of Reka's own host; `auto` tells by the address."""
    upstream_retries: int = Field(default=2, ge=0, le=10)
    """How often it is asked again when it is busy, fails or cannot be reached, before it has answered anything."""
    upstream_concurrency: int = Field(default=512, ge=1)
    """Questions that it is asked at once."""
    upstream_queue: int = Field(default=512, ge=0)
    """Questions that wait for that; who comes then is told to come back later."""
    upstream_queue_wait: float = Field(default=60, gt=0)
    """Seconds that a question waits at most."""
    upstream_connect: float = Field(default=10, gt=0)
    """Seconds to wait for a connection to it."""
    upstream_silence: float = Field(default=300, gt=0)
    """Seconds of silence that end a question: a large model may think that long before its first word."""
    models: tuple[str, ...] = REKA_MODELS
    """Model names that a chat may ask for; all are answered alike."""

    max_upload_bytes: int = Field(default=5 * GIB, gt=0)
    """Bytes of an uploaded dataset file."""
    max_unpacked_bytes: int = Field(default=20 * GIB, gt=0)
    """Bytes of all files of a zip together."""
    max_zip_entries: int = Field(default=10_000, gt=0)
    """Files and folders in a zip."""
    max_compression_ratio: int = Field(default=100, gt=0)
    """How many times larger a zip may become: text seldom grows tenfold, a zip bomb a thousandfold."""
    max_body_bytes: int = Field(default=64 * MIB, gt=0)
    """Bytes of a JSON body: media come inside it, as base64."""
    max_name_chars: int = Field(default=128, gt=KEPT_END, le=255)
    """Characters of a dataset's name; of a longer one the middle is left out."""
    max_description_bytes: int = Field(default=64 * KIB, gt=0)
    """Bytes of a dataset's description."""

    chunk_chars: int = Field(default=800, ge=50, le=20_000)
    """The most characters of a chunk."""
    retrieval_top_k: int = Field(default=RETRIEVED_CHUNKS, ge=1, le=MAX_RETRIEVED_CHUNKS)
    """Chunks that a chat gets if it names no number."""

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach `host`."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def upstream_key(self) -> str | None:
        """The key for `upstream`, looked up now.

        Raises:
            ValueError: `upstream_key_env` names a variable that is not set.
        """
        if self.upstream_key_env is None:
            return None
        key = os.environ.get(self.upstream_key_env)
        if not key:
            raise ValueError(f"upstream_key_env: the environment variable {self.upstream_key_env} is not set or empty")
        return key


def describe_settings_error(error: ValidationError) -> str:
    """Say in one line which settings are wrong."""
    wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return f"the server's settings (options, or REKA_SERVER_... in the environment): {wrong}"
