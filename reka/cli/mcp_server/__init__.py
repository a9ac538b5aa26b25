"""Datasets for programs that speak the Model Context Protocol: a search tool, and resources."""
