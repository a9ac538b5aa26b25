"""Uploads and the background job that makes a dataset searchable."""
