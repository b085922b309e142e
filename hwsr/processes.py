"""Programs that are run for a result, and that do not outlive the command that runs them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

_RUNNING: set[subprocess.Popen[str]] = set()


def run_program(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program in `folder` to its end, in any thread, and return what it printed."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True) as process:
        _RUNNING.add(process)
        try:
            out, err = process.communicate()
        finally:
            _RUNNING.discard(process)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def kill_programs() -> None:
    """End all that run, so that whoever waits for them goes on."""
    for process in tuple(_RUNNING):
        process.kill()
