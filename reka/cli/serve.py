"""`reka serve` and `reka worker`: your own server."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reka.cli.errors import ServerStartError, SettingsError, UsageError
from reka.cli.session import Session

if TYPE_CHECKING:
    from reka.server.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Data folder of the server. Default: in the user's data folder."),
]

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        show_default=False,  # a configuration file may set one with a password
        help="URL of the database, such as postgresql+psycopg://HOST/NAME (with the extra postgres). "
        "Others on this machine can see it: to hide a password, set REKA_SERVER_DATABASE_URL. "
        "Default: SQLite in the data folder.",
    ),
]

StoreUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Store of files and tables that servers share: s3://BUCKET/PREFIX, gs://, az:// or file:///FOLDER; its "
        "credentials are in the environment. Default: the data folder.",
    ),
]
_Host = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on. Default: 127.0.0.1.")]
_Port = Annotated[
    int | None,
    typer.Option(metavar="PORT", help="Port to listen on; 0 picks a free one. Default: 8000."),
]
_AllowedHost = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        metavar="NAME",
        help="Host name by which a tunnel or a proxy asks a server on this machine; can be given several times.",
    ),
]
_CorsOrigin = Annotated[
    list[str] | None,
    typer.Option(
        "--cors-origin",
        metavar="ORIGIN",
        help="Origin of web pages that may ask the server (CORS), or *; can be given several times. Default: none.",
    ),
]
_RequireKey = Annotated[
    bool, typer.Option("--require-key", help="Take created keys only (reka keys create), on this machine too.")
]
_TlsCert = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Certificate for https, in PEM form. Default: http without TLS.")
]
_TlsKey = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The certificate's key, in PEM form, if it is not in that file.")
]
_RequestsPerMinute = Annotated[
    int | None, typer.Option(metavar="REQUESTS", help="Maximum requests a minute of each key's owner. Default: any.")
]
_ConcurrentChats = Annotated[
    int | None, typer.Option(metavar="CHATS", help="Maximum chats at once of each key's owner. Default: any.")
]
_MaxDatasets = Annotated[
    int | None, typer.Option(metavar="DATASETS", help="Maximum datasets of each key's owner. Default: 10000.")
]
_MaxStoredBytes = Annotated[
    int | None, typer.Option(metavar="BYTES", help="Maximum size of the datasets of each key's owner. Default: any.")
]
_Embedder = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What compares texts beside keywords, for new datasets: wordllama, universal-sentence-encoder (16 "
        "languages), upstream:MODEL, sentence-transformers:MODEL or none. Default: the first that is installed.",
    ),
]
_EmbedderUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Base URL of the API of upstream:MODEL. Default: that of --upstream.")
]
_EmbedderKeyEnv = Annotated[
    str | None, typer.Option(metavar="VARIABLE", help="Environment variable that holds the key of --embedder-url.")
]
_Ray = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Ray cluster that embeds the chunks of jobs which take longer than ten seconds: HOST:PORT or auto on one "
        "of its machines, ray://HOST:PORT elsewhere (with the extra ray). Default: none.",
    ),
]
_RayGpus = Annotated[
    float | None,
    typer.Option(metavar="GPUS", help="GPUs of each task on it, or a share of one, such as 0.25. Default: none."),
]
_DrainSeconds = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Maximum time for requests to end after SIGTERM. Default: 30."),
]
_NoWorker = Annotated[
    bool, typer.Option("--no-worker", help="Run no jobs: reka worker, beside the server, does. Default: runs them.")
]
_Workers = Annotated[
    int | None, typer.Option(metavar="PROCESSES", help="Processes that answer requests, on one port. Default: 1.")
]
_AccessLog = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="File to append a line to for each request, or - for the standard output. Default: none."
    ),
]
_AccessLogPaths = Annotated[
    bool, typer.Option("--access-log-paths", help="Log paths too, in which names of datasets are.")
]
_AccessLogPrompts = Annotated[bool, typer.Option("--access-log-prompts", help="Log the texts of questions too.")]
_Upstream = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        show_default=False,  # likewise
        help="Base URL of an OpenAI-compatible model. Default: none, answers are quotations.",
    ),
]
_UpstreamModel = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The upstream's model for all requests. Default: the one that a request names."),
]
_UpstreamKeyEnv = Annotated[
    str | None, typer.Option(metavar="VARIABLE", help="Environment variable that holds the upstream's key.")
]
_UpstreamApi = Annotated[
    str | None,
    typer.Option(metavar="FORM", help="Form of the upstream's requests: openai or reka. Default: finds out which."),
]
_UpstreamRetries = Annotated[
    int | None, typer.Option(metavar="TIMES", help="Retries of a failed request to the upstream. Default: 2.")
]
_UpstreamConcurrency = Annotated[
    int | None, typer.Option(metavar="REQUESTS", help="Maximum requests in flight to the upstream. Default: 512.")
]
_UpstreamQueue = Annotated[
    int | None,
    typer.Option(metavar="REQUESTS", help="Maximum requests that wait for a slot; more are refused. Default: 512."),
]
_UpstreamQueueWait = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Maximum wait for a slot. Default: 60.")
]
_UpstreamConnect = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Connect timeout of the upstream. Default: 10.")
]
_UpstreamSilence = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Read timeout of the upstream. Default: 300.")
]


def serve(
    session: Session,
    host: _Host = None,
    port: _Port = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    store_url: StoreUrl = None,
    allowed_hosts: _AllowedHost = None,
    cors_origins: _CorsOrigin = None,
    require_key: _RequireKey = False,
    tls_cert: _TlsCert = None,
    tls_key: _TlsKey = None,
    requests_per_minute: _RequestsPerMinute = None,
    concurrent_chats: _ConcurrentChats = None,
    max_datasets: _MaxDatasets = None,
    max_stored_bytes: _MaxStoredBytes = None,
    embedder: _Embedder = None,
    embedder_url: _EmbedderUrl = None,
    embedder_key_env: _EmbedderKeyEnv = None,
    drain_seconds: _DrainSeconds = None,
    workers: _Workers = None,
    no_worker: _NoWorker = False,
    access_log: _AccessLog = None,
    access_log_paths: _AccessLogPaths = False,
    access_log_prompts: _AccessLogPrompts = False,
    upstream: _Upstream = None,
    upstream_model: _UpstreamModel = None,
    upstream_key_env: _UpstreamKeyEnv = None,
    upstream_api: _UpstreamApi = None,
    upstream_retries: _UpstreamRetries = None,
    upstream_concurrency: _UpstreamConcurrency = None,
    upstream_queue: _UpstreamQueue = None,
    upstream_queue_wait: _UpstreamQueueWait = None,
    upstream_connect: _UpstreamConnect = None,
    upstream_silence: _UpstreamSilence = None,
) -> None:
    """Serve the Reka API on this machine, until Ctrl-C.

    Until a key is created (reka keys create) it listens on this machine only and accepts any key, each with its own
    datasets.
    Every option can also be set in the environment: --data-dir is REKA_SERVER_DATA_DIR, and so on.
    """
    settings = _settings_of("reka serve", **locals())
    from reka.server.processes.garbage import load_without_gc

    with load_without_gc():
        from reka.server.run import serve as serve_until_stopped

    with _ending():
        serve_until_stopped(settings)


def worker(
    session: Session,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    store_url: StoreUrl = None,
    embedder: _Embedder = None,
    embedder_url: _EmbedderUrl = None,
    embedder_key_env: _EmbedderKeyEnv = None,
    ray: _Ray = None,
    ray_gpus: _RayGpus = None,
) -> None:
    """Run the prepare-retrieval jobs of a server that is started with --no-worker, until Ctrl-C.

    Its settings are those of the server, in the environment as well: REKA_SERVER_EMBEDDER, and so on.
    """
    settings = _settings_of("reka worker", **locals())
    from reka.server.processes.garbage import load_without_gc

    with load_without_gc():
        from reka.server.processes.worker import run_worker

    with _ending():
        run_worker(settings)


def _settings_of(command: str, session: Session, **options: object) -> "Settings":
    """Build the settings of a command that runs until it is stopped; see `server_settings`."""
    if session.as_json:
        raise UsageError(f"{command} prints no JSON; leave out --json")
    return server_settings(**options)


@contextmanager
def start_failures() -> Iterator[None]:
    """Turn what keeps a server, or a command on its data, from its work into what is said to the user.

    Raises:
        ServerStartError: Folder, database or store cannot be used.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from reka.server.errors import StartError
    from reka.server.storage.database.engine import database_failure

    try:
        yield
    except StartError as error:
        raise ServerStartError(str(error)) from error
    except SQLAlchemyError as error:
        raise ServerStartError(str(database_failure(error))) from error


@contextmanager
def _ending() -> Iterator[None]:
    """Report what keeps a server from starting; Ctrl-C is the normal way to stop one."""
    try:
        with start_failures():
            yield
    except KeyboardInterrupt:
        return


def require_data(settings: "Settings") -> None:
    """Require a data folder in which a server has stored something, unless its database is elsewhere.

    Raises:
        UsageError: There is nothing in the folder.
    """
    from reka.server.storage.ownership import is_used

    if settings.database_url is None and not is_used(settings.data_dir):
        raise UsageError(f"{str(settings.data_dir)!r} holds no server's data; pass its folder with --data-dir")


def server_settings(**options: object) -> "Settings":
    """Build a server's settings from options; None, False or no value leaves one to the environment and the default.

    Raises:
        UsageError: The server's packages are missing, or a setting is wrong.
    """
    try:
        from pydantic import ValidationError
        from pydantic_settings import SettingsError as UnreadableError

        from reka.server.settings import Settings
    except ModuleNotFoundError as error:
        raise UsageError(
            f"a server needs packages ({error.name} is missing): "
            "install this package with the extra `server`, reka[server]"
        ) from error
    arguments: dict[str, Any] = {
        name: value for name, value in options.items() if value is not None and value is not False and value != []
    }
    try:
        return Settings(**arguments)
    except ValidationError as error:
        raise SettingsError([f"{one['loc'][0]}: {one['msg']}" for one in error.errors()]) from error
    except UnreadableError as error:  # of a variable that has to be JSON
        field = re.search(r'field "(\w+)"', str(error))
        raise SettingsError([f'{field[1] if field else "settings"}: want JSON, such as ["a", "b"]']) from error
