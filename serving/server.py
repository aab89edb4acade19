"""Bentos as processes on this machine."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from features.errors import RecoupError
from features.home import Home
from features.progress import Progress
from serving import bento
from serving.access import identity, tls
from training import registry

_START_SECONDS = 90
_PORTS = range(20_000, 32_768)
"""None that a system gives to a connection of its choice (Linux: from 32768 on), which may come before a service has
started."""


def free_port() -> int:
    """Return a port that nobody listens on now, by chance."""
    return next(port for port in random.sample(_PORTS, len(_PORTS)) if _free(port))


def address(port: int) -> str:
    """Return where a service on a port of this machine is."""
    return f"{'https' if tls.options() else 'http'}://127.0.0.1:{port}"


def check_port(port: int) -> None:
    """Refuse a port that is taken.

    Raises
    ------
    RecoupError
        Naming the port.
    """
    if not _free(port):
        raise RecoupError(f"port {port} is in use: stop what listens there, or give another port")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def start(home: Home, tag: str, port: int, log: Path) -> subprocess.Popen:
    """Start serving a Bento; its output goes to ``log``.

    Raises
    ------
    RecoupError
        When the port is taken, there is no key that anybody could ask with, or its certificate is not there.
    """
    identity.require_any(home)
    check_port(port)
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "RECOUP_HOME": str(home.root),
        "BENTOML_HOME": str(home.bentoml / "serving" / tag.split(":")[0]),  # BentoML empties its metrics there
        "BENTOML_DO_NOT_TRACK": "True",
    }
    command = [sys.executable, "-m", "bentoml", "serve", str(bento.path(home, tag)), "--port", str(port)]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*command, "--host", "127.0.0.1", *tls.options()],
            env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def wait_ready(process: subprocess.Popen, port: int, log: Path) -> None:
    """Wait until a service answers that it is ready.

    Raises
    ------
    RecoupError
        When it ends, or is not ready in time; with the last lines of its log.
    """
    deadline, why = time.monotonic() + _START_SECONDS, "no answer"
    # one client for all: making it would take the processor from the service that starts
    with httpx.Client(base_url=address(port), timeout=2, verify=tls.trust()) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                answer = client.get("/readyz")
                if answer.status_code == 200:
                    return
                why = answer.json()["detail"]
            except httpx.TransportError:
                pass
            time.sleep(0.02)
    raise RecoupError(f"the service on port {port} did not start: {why}; the end of {log}:\n{tail(log)}")


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


@contextmanager
def running(home: Home, tag: str, port: int) -> Iterator[str]:
    """Serve a Bento for the length of a block; gives its address."""
    log = home.reports / "serving" / f"{tag.split(':')[0]}.log"
    process = start(home, tag, port, log)
    try:
        wait_ready(process, port, log)
        yield address(port)
    finally:
        stop(process)


def stop(process: subprocess.Popen) -> None:
    """End a service and its workers."""
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the workers end with it, see `serving.http.worker`
        process.wait()


def serve_all(home: Home, ports: dict[str, int], progress: Progress) -> None:
    """Serve the models in force, each on its port, until interrupted (or told to end) or one of them ends.

    Raises
    ------
    RecoupError
        When a port is taken, a model is not trained, or a service ends by itself.
    """
    for port in ports.values():
        check_port(port)
    tags = {name: bento.build(home, registry.load(home, name)) for name in ports}
    logs = {name: home.reports / "serving" / f"{tag.split(':')[0]}.log" for name, tag in tags.items()}
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)  # how a supervisor interrupts
    processes: dict[str, subprocess.Popen] = {}
    try:
        for name, port in ports.items():
            processes[name] = start(home, tags[name], port, logs[name])
        for name, process in processes.items():
            wait_ready(process, ports[name], logs[name])
            progress(f"{tags[name]} answers on {address(ports[name])}; its log is {logs[name]}")
        while all(process.poll() is None for process in processes.values()):
            time.sleep(0.5)
        raise RecoupError("a service ended; see its log")
    except KeyboardInterrupt:
        progress("stopping")
    finally:
        for process in processes.values():
            process.terminate()  # all at once: a second interrupt must not leave one behind
        for process in processes.values():
            stop(process)
        signal.signal(signal.SIGTERM, former)
