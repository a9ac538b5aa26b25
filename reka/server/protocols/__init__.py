"""The three API families: requests in, responses out."""
