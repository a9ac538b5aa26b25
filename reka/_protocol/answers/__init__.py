"""What client and server check of every answer that they read from another server."""
