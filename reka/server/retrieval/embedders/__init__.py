"""The embedders there are, a module each, and the choice of one."""
