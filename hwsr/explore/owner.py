"""Who works on a trial: this process, in words that tell whether it still runs.

A process number alone does not: the system gives it to others, and a process that ended stays in the list as a zombie
until its parent asks. A process is known by its number, by when it started, and by the boot and the namespace of
process numbers that both belong to. Of other machines nothing is known.
"""

import os
from enum import Enum
from pathlib import Path

# States of /proc/PID/stat in which nothing runs any more: zombie, dead.
ENDED = "ZXx"
# Fields of it after the name: the state is the first, the start in clock ticks since the boot the 20th.
STATE, STARTED = 0, 19


class Life(Enum):
    """What is known of a process."""

    RUNS = "runs"
    GONE = "gone"
    UNKNOWN = "unknown"


def this_process() -> str:
    """'BOOT/NAMESPACE PID STARTED' of this process; of the first and last parts nothing where there is no /proc."""
    found = _stat(os.getpid())
    return f"{_machine()} {os.getpid()} {found[1] if found else ''}".strip()


def life(owner: str) -> Life:
    """Whether the process that `this_process` described still runs. Words of any other kind tell nothing."""
    match owner.split():
        case [machine, pid, started] if machine == _machine() and pid.isdecimal() and started.isdecimal():
            found = _stat(int(pid))
            same = found is not None and found[0] not in ENDED and found[1] == int(started)
            return Life.RUNS if same else Life.GONE
    return Life.UNKNOWN


def _machine() -> str:
    """This boot of this machine, and the namespace of its process numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return "-"


def _stat(pid: int) -> tuple[str, int] | None:
    """State and start of a process; None where there is none."""
    try:
        # The name, in brackets, may hold blanks and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[STATE], int(fields[STARTED])
    except (OSError, IndexError, ValueError):
        return None
