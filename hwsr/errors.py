"""The one exception that a user is meant to read."""


class HwsrError(Exception):
    """Bad input or an unusable environment: one line that names the thing and the remedy.

    The command line prints it without a traceback and exits with code 2.
    """


class InternalError(Exception):
    """What hwsr made is wrong, whatever it was made from: one line, exit code 70."""


class DoesNotFit(HwsrError):
    """A design that a device is too small or too slow for: one line that says what is short and by how much.

    Exit code 3.
    """


class Interrupted(Exception):
    """Work was stopped by a signal and its state is saved; the message says how to go on. Exit code 130."""
