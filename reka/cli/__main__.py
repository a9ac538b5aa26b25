"""`python -m reka.cli` is the `reka` command."""

from reka.cli import main

main()
