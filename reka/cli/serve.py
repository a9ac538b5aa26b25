"""`reka serve`: a server of your own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reka.cli.errors import StepError, UsageError
from reka.cli.session import Session

if TYPE_CHECKING:
    from reka.server.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where the server keeps its data. Default: a folder of the user's own."),
]

UpstreamApi = Annotated[
    str | None,
    typer.Option(metavar="FORM", help="The form of requests it takes: openai or reka. Default: by the address."),
]
UpstreamRetries = Annotated[
    int | None, typer.Option(metavar="TIMES", help="How often it is asked again when it fails. Default: 2.")
]
UpstreamConcurrency = Annotated[
    int | None, typer.Option(metavar="QUESTIONS", help="How many it is asked at once. Default: 512.")
]
UpstreamQueue = Annotated[
    int | None,
    typer.Option(metavar="QUESTIONS", help="How many wait for that; further ones are refused. Default: 512."),
]
UpstreamQueueWait = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="How long one waits at most. Default: 60.")
]
UpstreamConnect = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="How long a connection may take. Default: 10.")
]
UpstreamSilence = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="How long it may be silent. Default: 300.")
]


def serve(
    session: Session,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one. Default: 8000.")
    ] = None,
    data_dir: DataDir = None,
    upstream: Annotated[
        str | None, typer.Option(metavar="URL", help="An OpenAI-compatible model to answer with. Default: quotations.")
    ] = None,
    upstream_model: Annotated[str | None, typer.Option(metavar="NAME", help="The model's name there.")] = None,
    upstream_key_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="The environment variable that holds the key for it.")
    ] = None,
    upstream_api: UpstreamApi = None,
    upstream_retries: UpstreamRetries = None,
    upstream_concurrency: UpstreamConcurrency = None,
    upstream_queue: UpstreamQueue = None,
    upstream_queue_wait: UpstreamQueueWait = None,
    upstream_connect: UpstreamConnect = None,
    upstream_silence: UpstreamSilence = None,
) -> None:
    """Serve the Reka API on this machine, until Ctrl-C.

    Without keys (reka keys create) it listens on this machine alone and takes any key, each with its own datasets.
    Every option can also be set in the environment: --data-dir is REKA_SERVER_DATA_DIR, and so on.
    """
    if session.as_json:
        raise UsageError("a server has no JSON to write; leave out --json")
    settings = server_settings(
        host=host,
        port=port,
        data_dir=data_dir,
        upstream=upstream,
        upstream_model=upstream_model,
        upstream_key_env=upstream_key_env,
        upstream_api=upstream_api,
        upstream_retries=upstream_retries,
        upstream_concurrency=upstream_concurrency,
        upstream_queue=upstream_queue,
        upstream_queue_wait=upstream_queue_wait,
        upstream_connect=upstream_connect,
        upstream_silence=upstream_silence,
    )
    from reka.server.errors import StartError
    from reka.server.run import serve as serve_until_stopped

    try:
        serve_until_stopped(settings)
    except StartError as error:
        raise StepError(str(error)) from error
    except KeyboardInterrupt:
        return  # how a server is meant to be stopped, so no failure


def server_settings(**given: object) -> "Settings":
    """Make a server's settings of what was given; None is left to its environment and defaults.

    Raises:
        UsageError: The server's packages are missing, or a setting is wrong.
    """
    try:
        from pydantic import ValidationError

        from reka.server.settings import Settings, describe_settings_error
    except ModuleNotFoundError as error:
        raise UsageError(f"a server needs packages ({error.name} is missing): pip install 'reka[server]'") from error
    arguments: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**arguments)
    except ValidationError as error:
        raise UsageError(describe_settings_error(error)) from error
