"""Transcripts on a page: commands after ``$``, and what they print, made again and compared."""

import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Example
from typer.testing import CliRunner

from recoup.cli import app

_NUMBER = r"([+-]?\d[\d,]*(?:\.\d+)?)"
NEAR = 0.5
"""How far, relative, a figure may lie from the page's: pages tell of whole models, tests fit small ones."""


class Terminal:
    """Where the commands of one page run, one after another: a folder and an environment."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self._patch = patch
        patch.chdir(folder)
        patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")

    def __call__(self, example: Example) -> str | None:
        """Run a transcript; return what is wrong with it."""
        for typed, printed in _commands(example.parsed):
            found = self._run(typed)
            if printed and not alike(printed, found):
                return f"{typed}\nthe page says:\n{printed}\nit printed:\n{found}"
        return None

    def _run(self, typed: str) -> str:
        if exported := re.fullmatch(r"export (\w+)=(.*)", typed):
            self._patch.setenv(exported[1], subprocess.check_output(f"printf %s {exported[2]}", shell=True, text=True))
            return ""
        if re.match(r"recoup [^|>$]*$", typed):  # in this process, since a new one imports for seconds
            result = CliRunner().invoke(app, shlex.split(typed)[1:], catch_exceptions=False)
            assert result.exit_code == 0, f"{typed}\n{result.output}"
            return result.stdout
        return subprocess.run(typed, shell=True, check=True, capture_output=True, text=True).stdout


def _commands(block: str) -> list[tuple[str, str]]:
    """Return every command of a transcript with what the page says that it prints."""
    found = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:.*\\\n)*.*", part)
        assert command
        found.append((command[0].replace("\\\n", " "), part[command.end() :].strip()))
    return found


def alike(page: str, found: str) -> bool:
    """Say whether a page tells what was printed: the same words (``...`` stands for any), figures near, counts equal.

    A whole number without separators before a word, such as ``90 loans``, is a count.

    Examples
    --------
    >>> alike("90 loans, price 24,344 (3.75%)", "90 loans, price 25,100 (3.9%)")
    True
    >>> alike("90 loans, price 24,344 (3.75%)", "90 loans, price 2,510 (3.9%)")
    False
    >>> alike("run ... is kept", "run 05cd35 is kept"), alike("90 loans", "91 loans")
    (True, False)
    """
    words = [re.escape(part).replace(r"\ ", r"\s+").replace(r"\n", r"\s+") for part in re.split(_NUMBER, page)[::2]]
    pattern = _NUMBER.join(word.replace(r"\.\.\.", ".*") for word in words)
    match = re.fullmatch(rf"\s*{pattern}\s*", found, re.DOTALL)
    told = re.findall(_NUMBER, page)
    return match is not None and all(map(_near, told, match.groups()))


def _near(told: str, found: str) -> bool:
    if told.isdecimal():
        return told == found
    one, other = (float(number.replace(",", "")) for number in (told, found))
    return math.isclose(one, other, rel_tol=NEAR, abs_tol=0.02)
