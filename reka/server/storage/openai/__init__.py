"""Datasets as OpenAI's API has them: files, vector stores, the files in them, and batches of these."""
