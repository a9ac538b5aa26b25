"""`python -m reka.server --port 0 --data-dir D`: a server with nothing but the server's packages."""

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from reka.server.errors import StartError
from reka.server.run import serve
from reka.server.settings import Settings, describe_settings_error


def main() -> int:
    """Run a server until it is stopped; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reka.server", description="Serve the Reka API from this machine.")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on; 0 takes a free one")
    parser.add_argument("--data-dir", type=Path, help="folder of everything that is stored")
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    try:
        serve(Settings(**given))
    except (StartError, ValidationError) as error:
        print(
            f"error: {describe_settings_error(error) if isinstance(error, ValidationError) else error}", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
