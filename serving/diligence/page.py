"""The report as one HTML page, written from the same figures as its JSON."""

from pathlib import Path
from typing import Any

import jinja2

from serving.diligence import charts

_TEMPLATES = Path(__file__).parent / "templates"


def render(report: dict[str, Any]) -> str:
    """Return the page; every text that comes from the tape is escaped.

    Parameters
    ----------
    report : dict
        See `serving.diligence.job`.
    """
    return environment(_TEMPLATES).get_template("report.html.j2").render(report)


def environment(templates: Path) -> jinja2.Environment:
    """Return what renders pages of the house: its style, its filters, its charts.

    Parameters
    ----------
    templates : Path
        A folder of templates; what it lacks, such as ``style.css``, is taken from those here.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates, _TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "money": lambda amount: f"{amount:,.0f}",
        "count": lambda number: f"{number:,}",
        "signed": lambda amount: f"{amount:+,.0f}",
        "percent": charts.percent,
        "words": lambda name: str(name).replace("_", " "),
    }
    made.globals["charts"] = charts
    return made
