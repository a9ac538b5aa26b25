"""The configuration file of the command line: what it may set, and how it is read."""
