"""The pack as one HTML page that needs no network, written from the same figures as its JSON."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from monitoring.validation.result import Result
from serving.diligence.page import environment

_TEMPLATES = Path(__file__).parent / "templates"


def render(content: dict[str, Any], results: dict[str, Result], account: dict[str, Any]) -> str:
    """Return the page.

    Parameters
    ----------
    content : dict
        See `monitoring.validation.job.Pack`.
    results : dict of str to Result
        By check, in order.
    account : dict
        See `monitoring.validation.account.account`.
    """
    pages = environment(_TEMPLATES)
    pages.filters["cell"] = cell
    return pages.get_template("pack.html.j2").render(content | {"results": results, "account": account})


def cell(value: str | float | None) -> str:
    """Return a table's value as a person writes it.

    Examples
    --------
    >>> cell(0.123456), cell(1234567), cell(None), cell("grade A")
    ('0.123', '1,234,567', '–', 'grade A')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if 0 < abs(value) < 0.0005:
        return "0.000" if value > 0 else "-0.000"
    return f"{value:,.3f}"
