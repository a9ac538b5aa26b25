"""A Reka-compatible server that runs anywhere: inside a program, on a laptop, or on a server machine."""
