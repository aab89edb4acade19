"""How much memory a process needs."""

import resource
import sys
from pathlib import Path

_UNIT = 1 if sys.platform == "darwin" else 1024
"""What ``ru_maxrss`` counts: bytes on macOS, KiB elsewhere."""


def peak_bytes() -> int:
    """Return the most memory that this process has had.

    On Linux that is its own: ``ru_maxrss`` would begin with what the process had that started it.
    """
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM:")) * 1024
