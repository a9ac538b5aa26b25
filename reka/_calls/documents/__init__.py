"""Calls for the documents of datasets, an extension of our server."""
