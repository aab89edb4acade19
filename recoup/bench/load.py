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
_SECONDS, _WARM_SECONDS = 2, 1


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

    Raises
    ------
    RecoupError
        When anything but an answer with status 200 came back.
    """
    _run(side, connections, _WARM_SECONDS)
    found = _run(side, connections, _SECONDS)
    if found["errors"]:
        raise RecoupError(f"{side.url}: {found['errors']} of {found['requests']} requests were not answered with 200")
    rate = found["requests"] / found["microseconds"] * 1e6
    return Load(rate, found["p50"] / 1e3, found["p99"] / 1e3)


def _run(side: Side, connections: int, seconds: int) -> dict[str, Any]:
    headers = [part for name, value in side.headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s", "-s", str(_SCRIPT)]
    done = subprocess.run([*command, *headers, side.url, str(side.bodies)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RecoupError(f"wrk ended with code {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])
