"""A debtor's profile on the output, ``json`` or ``page``: run in a process of its own by a service without MLflow."""

import sys
from datetime import datetime

from features import home as homes
from features.errors import RecoupError
from serving.http.apart import REFUSED
from serving.profile import output
from serving.profile.profile import profile


def main(form: str, borrower_id: str, moment: str) -> None:
    """Print a profile, masked, or the reason why there is none and exit with `REFUSED`."""
    try:
        told = profile(homes.current(), borrower_id, datetime.fromisoformat(moment))
    except RecoupError as error:
        print(error, file=sys.stderr)
        sys.exit(REFUSED)
    sys.stdout.buffer.write(output.as_json(told) if form == "json" else output.as_page(told).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
