"""Measuring: interleaved rounds of CPU time, and memory as the system sees it."""

import gc
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 9
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report. `target` is the most that the ratio should be; None where nobody has set one."""

    value: str
    what: str
    ratio: float | None = None
    target: float | None = None

    @property
    def missed(self):
        return self.ratio is not None and self.target is not None and self.ratio > self.target

    def __str__(self):
        aim = "" if self.target is None else f"≤ {self.target:g}, {'MISSED' if self.missed else 'met'}"
        return f"{self.value:>12}  {aim:<14}  {self.what}"


def ratio(value, what, target=None):
    """Return the line of a ratio."""
    return Line(f"{value:.2f}", what, value, target)


def fact(value, what):
    """Return a line that is for information: an absolute number, true of this machine and moment only."""
    return Line(value, what)


def interleaved(variants: Mapping[str, Callable[[], object]], calls: int, rounds: int = ROUNDS) -> dict[str, float]:
    """Return the CPU seconds of one call of each variant: the least of `rounds` rounds, each of which runs every variant."""
    for run in variants.values():
        _round(run, max(calls // 10, 1))
    best = dict.fromkeys(variants, float("inf"))
    for _ in range(rounds):
        for name, run in variants.items():
            best[name] = min(best[name], _round(run, calls))
    return best


def _round(run, calls):
    times = range(calls)
    began = time.process_time()
    for _ in times:
        run()
    return (time.process_time() - began) / calls


def cpu_of(pid):
    """Return the CPU seconds of another process so far, all its threads together (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def pin(*, to_last: bool):
    """Keep this process on its first or its last core, so that two of them do not push each other about."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1 if to_last else 0]})
    return cores


def resident():
    """Return the bytes of this process that are in memory, after what is garbage has gone."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
