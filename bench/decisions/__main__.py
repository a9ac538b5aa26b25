"""`python -m bench.decisions [WORD ...]`."""

import sys

from bench.decisions import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
