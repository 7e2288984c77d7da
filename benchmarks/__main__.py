"""Runs every benchmark and prints one line for each: the value, the target where there is one, what it is.

Usage: `python -m benchmarks [--check]`; with `--check` the exit code is 1 where a target is missed.
"""

import sys

from benchmarks import api_keys, calls, credentials, decisions, memory


def main():
    """Print the report; return the exit code."""
    missed = False
    print("Ratios of CPU time in one interleaved run, minimum of the rounds; µs and B are true of this machine only.", flush=True)
    for part in (decisions.of_one_request, calls.lines, memory.lines, api_keys.lines, credentials.lines, decisions.among_many):
        for line in part():
            missed |= line.missed
            print(line, flush=True)
    return 1 if missed and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
