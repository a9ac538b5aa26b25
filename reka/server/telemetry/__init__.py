"""What the server says of its work: metrics, the access log, request ids and OpenTelemetry."""
