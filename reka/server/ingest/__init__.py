"""Ingestion: validated uploads, and the background job that indexes a dataset."""
