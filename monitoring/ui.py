"""Evidently's own UI over the workspace of a home, as a process on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from features.errors import RecoupError
from features.home import Home
from features.progress import Progress
from monitoring.workspace import folder
from serving.server import check_port, stop


@contextmanager
def shown(home: Home, port: int, progress: Progress) -> Iterator[None]:
    """Show the workspace on a port for the length of a block, to this machine alone: the UI knows no keys.

    Raises
    ------
    RecoupError
        When nothing was monitored yet, or the port is taken.
    """
    if not folder(home).is_dir():
        raise RecoupError(f"{home.root} has no Evidently workspace yet: run `recoup monitor --out DIR` first")
    check_port(port)
    log = home.reports / "serving" / "evidently.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "evidently.cli", "ui", "--workspace", str(folder(home))]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=os.environ | {"DO_NOT_TRACK": "1"}, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    progress(f"Evidently will answer on http://127.0.0.1:{port}; its log is {log}")
    try:
        yield
    finally:
        stop(process)
