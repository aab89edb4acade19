"""Which code is running."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def code_revision() -> str:
    """Return the checkout's commit, marked where files differ from it; else the package's version."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        return commit + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return f"recoup {version('recoup')}"
