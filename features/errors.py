"""The error that a person reads: what is wrong, where, and what to do."""


class RecoupError(Exception):
    """Bad input or a step taken too early; the message is written for the user.

    The command line prints it without a traceback and exits with 2; a service answers it as a
    client error.
    """
