"""Programs do not outlive the command that runs them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hwsr.processes import run_program

RUNS = """
import signal, sys
from concurrent.futures import ThreadPoolExecutor
from hwsr.cli import _terminated
from hwsr.processes import run_program

signal.signal(signal.SIGTERM, _terminated)
with ThreadPoolExecutor(1) as pool:
    list(pool.map(run_program, [["sh", "-c", "echo $$ > pid; exec sleep 600"]]))
"""


def test_what_a_program_printed_comes_back(tmp_path: Path) -> None:
    done = run_program(["sh", "-c", "pwd; echo wrong >&2; exit 3"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path}\n", "wrong\n")


def test_a_terminated_command_ends_what_it_runs(tmp_path: Path) -> None:
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen([sys.executable, "-c", RUNS], cwd=tmp_path, env=os.environ | {"PYTHONPATH": paths})
    pid = tmp_path / "pid"
    while not (pid.exists() and pid.read_text().strip()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
