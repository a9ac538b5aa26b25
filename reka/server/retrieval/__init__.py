"""Retrieval: chunking, embeddings, and an index with hybrid search."""
