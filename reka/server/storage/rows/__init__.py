"""Rows of the database that belong to one protocol alone."""
