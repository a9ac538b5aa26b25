"""Bodies of OpenAI's API besides chat: files, vector stores, embeddings."""
