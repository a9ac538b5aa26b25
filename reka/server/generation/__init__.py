"""Chat backends: a language model behind the server, or quotations from texts."""
