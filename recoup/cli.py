"""The front door. No logic lives here: each command calls one function of a floor."""

import sys

from features.errors import RecoupError
from recoup.commands import features, journal, keys, monitoring, serving, training, whole  # noqa: F401 - they add themselves
from recoup.door import app


def main() -> None:
    """Run a command; an error that the user can mend is one line and exit code 2."""
    try:
        app()
    except RecoupError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
