"""The backend for a language model behind an OpenAI-compatible API, the upstream."""
