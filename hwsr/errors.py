"""The one exception that a user is meant to read."""


class HwsrError(Exception):
    """Bad input or an unusable environment: one line that names the thing and the remedy.

    The command line prints it without a traceback and exits with code 2.
    """
