"""Measurements, run by hand (`make bench`): each module here with a `main()` is one."""
