"""Whether the process that works on a trial still runs."""

import os
import signal
import time

from hwsr.explore.owner import Life, life, this_process


def child() -> tuple[int, str]:
    """A process that waits, and its description."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, this_process().encode())
        signal.pause()
    return pid, os.read(reader, 1000).decode()


def test_this_process_runs() -> None:
    assert life(this_process()) is Life.RUNS


def test_a_killed_process_is_gone_as_a_zombie_and_after_it() -> None:
    pid, owner = child()
    assert owner.split()[1] == str(pid) and life(owner) is Life.RUNS
    os.kill(pid, signal.SIGKILL)
    # Nobody has waited for it: its number is still in the list of processes.
    while life(owner) is not Life.GONE:
        time.sleep(0.01)
    os.kill(pid, 0)
    os.waitpid(pid, 0)
    assert life(owner) is Life.GONE


def test_a_stopped_process_runs() -> None:
    pid, owner = child()
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    assert life(owner) is Life.RUNS
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_number_that_was_given_to_another_process_is_not_the_first() -> None:
    machine, pid, started = this_process().split()
    assert life(f"{machine} {pid} {int(started) - 1}") is Life.GONE


def test_of_another_boot_or_machine_or_of_other_words_nothing_is_known() -> None:
    machine, pid, started = this_process().split()
    for words in (f"0{machine} {pid} {started}", "", "x", f"{machine} -1 {started}", f"{machine} {pid}"):
        assert life(words) is Life.UNKNOWN
