"""The command line. Figures go to the terminal and, with --json, to a file."""

import sys
import traceback
import warnings

from hwsr.cli.app import app
from hwsr.errors import HwsrError, Interrupted

# Each adds its commands to the app, in the order of the help text.
# isort: off
from hwsr.cli import training, hardware, pictures, networks  # noqa: F401
# isort: on

# Exit codes: 0 done, 1 a comparison found a mismatch, 2 bad input or environment, 70 an error in hwsr itself (with its
# traceback), 130 interrupted.
BAD_INPUT, INTERNAL, INTERRUPTED = 2, 70, 130


def main() -> None:
    """Run the command line; an HwsrError becomes one line and exit code 2."""
    # Brevitas warns of optional packages that nothing here needs.
    warnings.filterwarnings("ignore", module="brevitas")
    try:
        app()
    except HwsrError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except OSError as error:
        print(f"error: {error.filename or 'input or output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(INTERRUPTED)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception:
        traceback.print_exc()
        sys.exit(INTERNAL)
