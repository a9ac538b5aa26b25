"""Datasets."""

from reka.module_api import add_dataset, delete_dataset, list_datasets

__all__ = ["add_dataset", "delete_dataset", "list_datasets"]
