"""`recoup diligence`: one tape in, one report for a buyer out."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.files import replace
from features.home import Home
from features.lake import Lake
from features.progress import Progress
from features.store import FeatureDoor
from serving.diligence import comparison, concentration, drivers, fields, lineage, links, missing, overview, strata
from serving.diligence.findings import findings
from serving.diligence.page import render
from serving.diligence.subject import Subject, by_currency
from serving.pricing import offer as offers
from serving.pricing import tape
from serving.pricing.valuation import Assumptions

UNITS = {
    "claim, balance, price, npv, worth, expected_recovery, effect, level, uncertainty": "money, in the part's currency",
    "*_share, *_rate, filled, missing, unseen, recovered, typical_move": "shares: 0.05 is 5 %",
    "*_lower, *_upper": "bounds of the 90 % interval, in the unit of the figure",
    "price_share": "price over claim",
    "months": "months after the cut-off",
    "psi": "population stability index; up to 0.1 alike, above 0.25 unlike",
    "auc": "area under the ROC curve; 0.5 when the two books cannot be told apart",
    "gini, herfindahl": "from 0 (evenly spread) to 1 (all in one)",
}


def diligence(home: Home, path: Path, source: str, out: Path, given: Assumptions, progress: Progress = print) -> Path:
    """Examine a tape on offer.

    Parameters
    ----------
    home : Home
        Whose champion recovery model, market and known debtors are used.
    path : Path
        The tape.
    source : str
        Name or path of its mapping.
    out : Path
        Folder for ``diligence.html`` and ``diligence.json``, beside the files of `serving.pricing.tape`.
    given : Assumptions
        Required return and costs.
    progress : callable

    Returns
    -------
    Path
        The HTML report: one file that needs no network.

    Raises
    ------
    RecoupError
        When the tape cannot be read, nothing in it can be priced, or no model is trained.
    """
    offer = offers.read(home, path, source, progress)
    priced = tape.value(offer, out, given)
    door, package = FeatureDoor(home), offer.champion.package
    rests_on = {feed: lineage.inputs_by_field(door, package, feed) for feed in ("loans", "borrowers")}
    progress("fields, links, comparison with our own book")
    report: dict[str, Any] = {
        "file": path.name,
        "source": offer.source,
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cutoff": {"first": str(offer.loans["cutoff_on"].min()), "last": str(offer.loans["cutoff_on"].max())},
        "accepted": offer.loans.height,
        "rejected": offer.rejected.height,
        "model": {
            "version": offer.champion.label,
            "source": package.card.source,
            "as_of": package.card.as_of,
            "rows": package.card.rows,
            "timing": priced.portfolio["timing"],
            "warnings": priced.portfolio["warnings"],
        },
        "assumptions": given.model_dump(),
        "scenarios": priced.portfolio["by_currency"][0]["distribution"]["scenarios"],
        "fields": fields.fields(offer, rests_on["loans"]),
        "links": links.links(offer, Lake(home)),
        "comparison": comparison.compare(package, offer.frame, priced.portfolio["out_of_population"]),
        "units": UNITS,
    }
    progress("value, strata, drivers, what is missing")
    report["parts"] = [_part(subject, rests_on) for subject in by_currency(offer, priced)]
    report["findings"] = findings(report)
    replace(out / "diligence.json", json.dumps(report, indent=1, allow_nan=False).encode())
    page = out / "diligence.html"
    replace(page, render(report).encode())
    return page


def _part(subject: Subject, rests_on: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
    return {
        "overview": overview.overview(subject),
        "strata": strata.stratify(subject),
        "concentration": concentration.concentration(subject),
        "drivers": drivers.drivers(subject),
        "missing": missing.missing(subject, rests_on),
    }
