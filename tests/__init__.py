"""A package, so that `tests.support` is found before an adapter's folder `tests`, which is none."""
