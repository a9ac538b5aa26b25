"""Facts and rules of the API that both halves read, the client and the server: tables and pure functions, no sockets.

It imports `reka.errors`, `reka.types` and the standard library alone; adapters read it through `reka.adapters`.
"""
