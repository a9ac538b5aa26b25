"""Persistent state of a server: datasets, jobs, API keys and the data folder."""
