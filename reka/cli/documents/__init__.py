"""The commands of `reka datasets` for the documents of a dataset."""
