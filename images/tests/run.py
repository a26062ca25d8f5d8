"""Run the ``test_…`` functions of one file inside a container, which has no test framework."""

import runpy
import sys
import traceback


def main(path: str) -> int:
    """Run every test of a file, print the results, and return 1 if one failed."""
    failed = 0
    tests = [(name, run) for name, run in runpy.run_path(path).items() if name.startswith("test_")]
    if not tests:
        print(f"{path} has no tests")
        return 1
    for name, run in tests:
        try:
            run()
        except Exception:  # noqa: BLE001 (a test may fail in any way)
            failed = 1
            print(f"FAILED {name}")
            traceback.print_exc()
        else:
            print(f"ok {name}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
