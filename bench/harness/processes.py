"""CPU time and memory of a process and all that it started."""

import contextlib
import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_ONLY_OF_THIS_PROCESS = 2  # user and system time
_WITH_THE_ENDED = 4  # and those of its children that ended and were waited for


def tree(pid: int) -> list[int]:
    """Return a process and its descendants at this moment."""
    found = [pid]
    for process in found:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{process}/task").iterdir():
                with contextlib.suppress(OSError):
                    found += map(int, (thread / "children").read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its descendants have used, those that ended included.

    A backend that ends leaves its time with its parent, so the difference of two readings is what
    was used between them.
    """
    return sum(_ticks(process, _WITH_THE_ENDED) for process in tree(pid)) / _TICKS


def own_cpu_seconds(pid: int) -> float:
    """CPU time that this one process has used."""
    return _ticks(pid, _ONLY_OF_THIS_PROCESS) / _TICKS


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its descendants, added up, in MB (10^6 bytes)."""
    return sum(_resident_kb(process) for process in tree(pid)) * 1024 / 1e6


def _ticks(pid: int, fields: int) -> int:
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in stat[11 : 11 + fields])
    return 0


def _resident_kb(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0
