"""The command line. Figures go to the terminal and, with --json, to a file."""

import os
import signal
import sys
import traceback
import warnings
from types import FrameType

from typer.exceptions import Abort, TyperException

from hwsr.cli.app import app
from hwsr.errors import DoesNotFit, HwsrError, InternalError, Interrupted
from hwsr.processes import kill_programs

# Each adds its commands to the app, in the order of the help text; nothing else is wanted of them (F401).
# isort: off
from hwsr.cli import training, quantization, hardware, stock, planning  # noqa: F401
from hwsr.cli import exploring, pipelines, reporting, pictures, networks  # noqa: F401
# isort: on

# Exit codes: 0 done, 1 a comparison found a mismatch, a pipeline is in deadlock, a network of a sweep failed or the
# linter found something, 2 bad input or environment, 3 a plan that does not fit, 70 an error in hwsr itself, 130
# interrupted, 141 the reader of a pipe went away, 143 terminated.
BAD_INPUT, DOES_NOT_FIT, INTERNAL, INTERRUPTED, BROKEN_PIPE = 2, 3, 70, 130, 141


def main() -> None:
    """Run the command line; bad input becomes one line and exit code 2."""
    # Brevitas warns of optional packages that nothing here needs.
    warnings.filterwarnings("ignore", module="brevitas")
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(_run())


def _terminated(number: int, _frame: FrameType | None) -> None:
    """End as an exception does: what is temporary is removed, what was started ends too."""
    kill_programs()
    raise SystemExit(128 + number)


def _run() -> int:
    try:
        return app(sys.argv[1:] or ["--help"], standalone_mode=False) or 0
    except TyperException as error:
        return _refuse(f"{error.format_message()} 'hwsr COMMAND --help' lists the options.")
    except DoesNotFit as error:
        return _refuse(str(error), DOES_NOT_FIT)
    except HwsrError as error:
        return _refuse(str(error))
    except InternalError as error:
        print(f"internal error: {error}", file=sys.stderr)
        return INTERNAL
    except BrokenPipeError:
        # What is still buffered has no reader either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        return _refuse(f"{error.filename or 'input or output'}: {error.strerror or error}")
    except (Interrupted, KeyboardInterrupt, Abort) as stop:
        print(str(stop) or "interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # the last resort: no memory is bad input, anything else an error in hwsr, shown whole
        if isinstance(error, MemoryError) or _is_torch_out_of_memory(error):
            return _refuse("not enough memory for this; take a smaller network, frame or batch")
        traceback.print_exc()
        return INTERNAL


def _is_torch_out_of_memory(error: Exception) -> bool:
    """Whether torch found no memory: a RuntimeError like any other, of "out of" or "can't allocate memory"."""
    short = any(words in str(error) for words in ("out of memory", "allocate memory"))
    return short and isinstance(error, RuntimeError)


def _refuse(message: str, code: int = BAD_INPUT) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code
