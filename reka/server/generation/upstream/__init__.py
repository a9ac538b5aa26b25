"""A model behind the server, reached over the OpenAI protocol."""
