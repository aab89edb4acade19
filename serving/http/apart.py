"""What a service has made by a process of its own, because it takes seconds and the memory of MLflow."""

import asyncio
import logging
import sys
from pathlib import Path

from serving.http import problems
from serving.http.problems import Problem

REFUSED = 2
"""The code of a process that says on the error stream why there is nothing."""
_CODE = Path(__file__).parents[2]
_ONE = asyncio.Semaphore(1)


async def made(module: str, *arguments: str) -> bytes:
    """Run ``python -m module`` and return what it prints; one at a time.

    Raises
    ------
    Problem
        503 while another is being made, 409 with the reason when there is nothing, 500 when it fails.
    """
    if _ONE.locked():
        raise problems.busy("another page is being made", 10)
    async with _ONE:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments,
            cwd=_CODE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        found, said = await process.communicate()
    if process.returncode == REFUSED:
        raise Problem(409, said.decode().strip().splitlines()[-1])
    if process.returncode != 0:
        logging.getLogger(__name__).error("%s failed: %s", module, said.decode())
        raise Problem(500, "it cannot be made; the service's log says more")
    return found
