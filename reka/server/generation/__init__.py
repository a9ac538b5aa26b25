"""Answers: from a model behind the server, or quoted from the retrieved chunks."""
