"""Run every benchmark of this folder, or those that are named: `python -m bench [NAME ...]`."""

import importlib
import pkgutil
import sys

import bench


def main(names: list[str]) -> int:
    """Run benchmarks one after the other.

    Args:
        names: Modules of this folder; none for all.

    Returns:
        0 if each reached what it must, else 1.
    """
    known = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if not module.name.startswith("_"))
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}: there is {', '.join(known)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or known:
        run = getattr(importlib.import_module(f"bench.{name}"), "main", None)
        if run is None:
            continue
        print(f"== {name}", flush=True)
        if run():
            failed.append(name)
        print(flush=True)
    if failed:
        print(f"not reached: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    wanted, sys.argv[1:] = sys.argv[1:], []  # a benchmark takes arguments of its own as `python -m bench.NAME`
    sys.exit(main(wanted))
