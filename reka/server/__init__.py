"""A Reka-compatible server that runs anywhere: in a program, on a laptop, on a machine of your own."""
