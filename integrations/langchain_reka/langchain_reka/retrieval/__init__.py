"""LangChain's documents and those of a dataset: what is put, and what is found."""
