"""What the benchmarks say of their bounds."""


def report_bound(is_met: bool, what: str, wanted: str) -> int:
    """Print whether a bound is met; 1 if it is missed, else 0."""
    print(f"  {'ok    ' if is_met else 'MISSED'} {what}, want {wanted}")
    return int(not is_met)


def conclude(missed: int) -> int:
    """Print what came out; the exit code."""
    print(f"\n{missed} bounds missed" if missed else "\nevery bound is met")
    return 1 if missed else 0
