"""The page of a decision on the output: run in a process of its own by a service, which has no MLflow loaded."""

import sys

from features import home as homes
from features.errors import RecoupError
from serving.review.page import render


def main() -> None:
    """Print the page, or the reason why there is none and exit with 2."""
    try:
        print(render(homes.current(), sys.argv[1]))
    except RecoupError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
