"""OpenTelemetry, where the program uses it: spans and metrics by its conventions for generative AI."""
