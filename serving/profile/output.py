"""A debtor's profile as JSON and on one page, both of the same figures."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from features.home import Home
from features.lake import Lake
from serving.diligence.page import environment
from serving.profile.known import named
from serving.profile.profile import profile
from serving.profile.scores import HOURS

_TEMPLATES = Path(__file__).parent / "templates"
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def tell(home: Home, borrower: str, moment: datetime | None, unmasked: bool) -> dict[str, Any]:
    """Return the profile of a debtor who is named by his token or his creditor's number; see `profile.profile`.

    Parameters
    ----------
    home : Home
    borrower : str
    moment : datetime, optional
        UTC; now when not given.
    unmasked : bool

    Raises
    ------
    RecoupError
        When he was not known by then, no model is trained, or there is no key to find him by his number.
    """
    return profile(home, named(Lake(home), borrower), moment or datetime.now(UTC), unmasked)


def as_json(told: dict[str, Any]) -> bytes:
    """Return a profile as JSON."""
    return orjson.dumps(told, option=orjson.OPT_INDENT_2)


def as_page(told: dict[str, Any]) -> str:
    """Return a profile as HTML that needs no network."""
    return environment(_TEMPLATES).get_template("profile.html.j2").render(told, hours=HOURS, days=_DAYS)
