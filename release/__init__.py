"""What makes the distributions, checks them and tries them: `make dist`; see docs/release.md."""
