"""Chunks, embeddings, the index and its hybrid search."""
