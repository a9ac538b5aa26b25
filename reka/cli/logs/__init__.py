"""Conversations of `reka chat` that are kept: their database, and the commands that show them."""
