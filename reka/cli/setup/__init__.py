"""Commands that show how the command line is set up."""
