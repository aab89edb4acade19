"""Load on an HTTP service by wrk, every answer counted: one that is no 200 ends the bench."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import RecoupError

_SCRIPT = Path(__file__).with_name("load.lua")
_WARM_SECONDS, _PATIENCE_SECONDS = 1, 10
_SECONDS = (2, 4, 8, 16)


@dataclass(frozen=True)
class Side:
    """A service under load: its address with the path, headers, and a file of JSON bodies, one a line."""

    url: str
    headers: Mapping[str, str]
    bodies: Path


@dataclass(frozen=True)
class Load:
    """How a service bore it: answers a second, and milliseconds of the median and of 99 % of them."""

    rate: float
    p50_ms: float
    p99_ms: float


def require() -> None:
    """Refuse to begin without wrk.

    Raises
    ------
    RecoupError
        Saying how to get it.
    """
    if shutil.which("wrk") is None:
        raise RecoupError("the bench needs the load generator wrk: `apt-get install wrk`, or https://github.com/wg/wrk")


def bear(side: Side, connections: int) -> Load:
    """Put load on a service by as many connections, after a second of it that does not count.

    One that has given fewer answers than there are callers is asked again, for longer.

    Raises
    ------
    RecoupError
        When anything but an answer with status 200 came back.
    """
    wrk(side, _SCRIPT, connections, _WARM_SECONDS, _PATIENCE_SECONDS)
    for seconds in _SECONDS:
        found = wrk(side, _SCRIPT, connections, seconds, _PATIENCE_SECONDS)
        if found["errors"] or found["requests"] >= connections:
            break
    if found["errors"] or not found["requests"]:
        raise RecoupError(f"{side.url}: {found['errors']} of {found['requests']} requests were not answered with 200")
    rate = found["requests"] / found["microseconds"] * 1e6
    return Load(rate, found["p50"] / 1e3, found["p99"] / 1e3)


def wrk(side: Side, script: Path, connections: int, seconds: int, patience: int, *further: float) -> dict[str, Any]:
    """Return what a script of wrk told at the end.

    Parameters
    ----------
    side : Side
    script : Path
        Is given the file of bodies, and what is ``further``.
    connections : int
    seconds : int
        How long it asks.
    patience : int
        Seconds after which wrk counts a request as one without an answer.

    Raises
    ------
    RecoupError
        When wrk fails.
    """
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", f"{patience}s"]
    headers = [part for name, value in side.headers.items() for part in ("-H", f"{name}: {value}")]
    given = [side.url, str(side.bodies), *map(str, further)]
    done = subprocess.run([*command, "-s", str(script), *headers, *given], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RecoupError(f"wrk ended with code {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])
