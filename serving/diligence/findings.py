"""What a buyer must know first, drawn from the sections of the report."""

from typing import Any

from serving.diligence.charts import percent
from serving.diligence.comparison import SHIFTED
from serving.diligence.subject import UNKNOWN

Finding = dict[str, str]
_UNLIKE = 0.8
_TOP_TEN = 0.25
_ONE_REGION = 0.5
_WORTH_SAYING = 0.05


def findings(report: dict[str, Any]) -> list[Finding]:
    """Return the key findings, warnings before notes.

    Parameters
    ----------
    report : dict
        The sections; see `serving.diligence.job`.

    Returns
    -------
    list of dict
        ``weight`` (``warning`` or ``note``), ``section`` and ``text``.
    """
    found = [_warning("comparison", f"{text[0].upper()}{text[1:]}.") for text in report["model"]["warnings"]]
    found += [*_links(report["links"]), *_fields(report["fields"]), *_comparison(report["comparison"])]
    for part in report["parts"]:
        found += [*_limitation(part), *_concentration(part), *_missing(part)]
    return sorted(found, key=lambda row: row["weight"] != "warning")


def _warning(section: str, text: str) -> Finding:
    return {"weight": "warning", "section": section, "text": text}


def _note(section: str, text: str) -> Finding:
    return {"weight": "note", "section": section, "text": text}


def _links(links: dict[str, Any]) -> list[Finding]:
    found = []
    if rows := links["repeated"]["rows"]:
        found.append(_warning("links", f"{rows:,} rows repeat a loan number that came before; the first is priced."))
    what = {
        "one_loan": "look like one loan under several numbers: same debtor, product, day and amount",
        "alike": "agree in every amount and date though their debtors differ",
    }
    for name, words in what.items():
        twice = " and ".join(f"{row['claim']:,.0f} {row['currency']}" for row in links[name]["twice"])
        if twice:
            found.append(_warning("links", f"{links[name]['loans']:,} loans {words}; {twice} may be claimed twice."))
    debtors = links["debtors"]
    if debtors["with_several"]:
        several = f"{debtors['with_several']:,} debtors stand behind {debtors['loans_of_several']:,} loans"
        found.append(_note("links", f"{several}: one budget pays them all."))
    return found


def _fields(fields: dict[str, Any]) -> list[Finding]:
    found = []
    if rows := fields["invalid_rows"]:
        worst = max(fields["fields"], key=lambda row: row["invalid"])["field"]
        found.append(_warning("fields", f"{rows:,} rows are invalid and not priced, most often for {worst}."))
    for row in fields["fields"]:
        strange = [f"{rule['loans']:,} loans, {rule['what']}" for rule in row["implausible"]]
        if strange:
            found.append(_note("fields", f"Implausible {row['field'].replace('_', ' ')}: {'; '.join(strange)}."))
    return found


def _comparison(comparison: dict[str, Any]) -> list[Finding]:
    found, told = [], comparison["auc"]
    if told is not None and told >= _UNLIKE:
        named = ", ".join(row["about"] for row in comparison["drivers"][:3])
        found.append(
            _warning("comparison", f"The tape is unlike our own book (told apart with AUC {told:.2f}): {named}.")
        )
    lasting = [row for row in comparison["inputs"] if not row["calendar"] and row["psi"] is not None]
    moved = [row["about"] for row in lasting if row["psi"] - row["by_chance"] > SHIFTED]
    if moved:
        more = f" and {len(moved) - 4} more" if len(moved) > 4 else ""
        found.append(_note("comparison", f"Spread unlike in our own book: {', '.join(moved[:4])}{more}."))
    return found


def _limitation(part: dict[str, Any]) -> list[Finding]:
    (rows,) = (cut["rows"] for cut in part["strata"] if cut["by"] == "limitation")
    share = {row["stratum"]: row["claim_share"] for row in rows if row["claim_share"] > _WORTH_SAYING}
    found = []
    if "time-barred" in share:
        found.append(_warning("strata", f"{percent(share['time-barred'])} of the claim is time-barred."))
    if UNKNOWN in share:
        found.append(_note("strata", f"For {percent(share[UNKNOWN])} of the claim it is unknown when it lapses."))
    return found


def _concentration(part: dict[str, Any]) -> list[Finding]:
    found, measured = [], part["concentration"]
    even = 10 / part["overview"]["loans"]
    if measured["top_10_share"] > max(_TOP_TEN, 3 * even):
        share = percent(measured["top_10_share"])
        found.append(_warning("concentration", f"The ten largest loans are {share} of the claim."))
    (regions,) = (group for group in measured["groups"] if group["by"] == "region")
    if regions["count"] > 1 and regions["largest_share"] > _ONE_REGION:
        name = regions["groups"][0]["name"]
        found.append(_warning("concentration", f"{percent(regions['largest_share'])} of the claim lies in {name}."))
    return found


def _missing(part: dict[str, Any]) -> list[Finding]:
    telling = [row for row in part["missing"]["gaps"] if (row["uncertainty_share"] or 0) > _WORTH_SAYING]
    if not telling:
        return []
    worst, currency = telling[0], part["overview"]["currency"]
    field = worst["from"] if worst["whole"] else f"{worst['field'].replace('_', ' ')} ({worst['about']})"
    text = f"{field}, not known of {worst['loans']:,} loans: up to ±{worst['uncertainty']:,.0f} {currency} of the price"
    return [_note("missing", f"Most worth asking for: {text}.")]
