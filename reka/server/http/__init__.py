"""The HTTP layer: routes, request bodies, streaming, health, error handlers, middleware, OpenAPI."""
