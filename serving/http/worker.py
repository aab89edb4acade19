"""A worker's process: it ends with the one that started it."""

import ctypes
import signal
import sys

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def end_with_parent() -> None:
    """Let the kernel kill this process when the one that started it is gone, so that none is left holding the port.

    BentoML gives every worker a session of its own, which no signal to the service's group reaches. The journal
    loses nothing by it: a decision is written before its answer leaves. Linux only; elsewhere nothing is done.

    Raises
    ------
    OSError
        When the kernel refuses.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the worker cannot be told of the end of its parent")
