"""What client and server share to read the answers of another server, of which nothing is taken on trust."""
