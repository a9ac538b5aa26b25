"""`python -m reka.server --port 0 --data-dir D`: a server without the packages of the command line."""

import argparse
import sys
from pathlib import Path

from reka.server.processes.garbage import load_without_gc

with load_without_gc():
    from pydantic import ValidationError

    from reka.server.errors import StartError
    from reka.server.run import serve
    from reka.server.settings import Settings, describe_settings_error


def main() -> int:
    """Run a server until it is stopped, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reka.server", description="Serve the Reka API from this machine.")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on; 0 selects a free one")
    parser.add_argument("--data-dir", type=Path, help="folder to store all data in")
    parser.add_argument("--database-url", help="SQLAlchemy URL of the database; by default SQLite in the data folder")
    arguments = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    try:
        serve(Settings(**arguments))
    except (StartError, ValidationError) as error:
        message = describe_settings_error(error) if isinstance(error, ValidationError) else error
        print(f"error: {message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass  # the normal way to stop a server
    return 0


if __name__ == "__main__":
    sys.exit(main())
