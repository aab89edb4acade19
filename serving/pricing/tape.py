"""A tape on offer, valued loan by loan: `recoup price`."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from features.home import Home
from features.progress import Progress
from serving.pricing import clearing, plots, portfolio, secured, stress, valuation
from serving.pricing.clearing import Sale
from serving.pricing.offer import Offer, read
from serving.pricing.prices import Prices, prices
from serving.pricing.stress import Stress
from serving.pricing.valuation import Assumptions


@dataclass(frozen=True)
class PricedTape:
    """Where the result lies, the values and their totals; ``shapes`` is what ``outlook.shape`` refers to."""

    prices: Path
    valued: valuation.Valued
    shapes: np.ndarray
    portfolio: dict[str, Any]


def price(home: Home, path: Path, source: str, out: Path, given: Assumptions, progress: Progress = print,
          sales: list[Sale] | None = None, stresses: dict[str, Stress] | None = None) -> PricedTape:  # fmt: skip
    """Value every loan of a tape that is not in the lake.

    Parameters
    ----------
    home, path, source
        See `serving.pricing.offer.read`.
    out : Path
        Folder for ``prices.parquet``, ``rejected.parquet``, ``scenarios.parquet``, ``portfolio.json`` and
        plots.
    given : Assumptions
        Required return and costs.
    progress : callable
    sales : list of Sale, optional
        Clearing prices to set ours beside.
    stresses : dict of str to Stress, optional
        By name; those of ``stress.yaml`` when not given.

    Raises
    ------
    RecoupError
        As `read` does.
    """
    return value(read(home, path, source, progress), out, given, sales, stresses)


def value(offer: Offer, out: Path, given: Assumptions, sales: list[Sale] | None = None,
          stresses: dict[str, Stress] | None = None) -> PricedTape:  # fmt: skip
    """Value a tape that was read, and write the files; see `price`."""
    found = prices(offer, given)
    by_currency, drawn = _by_currency(offer, found, given, stresses or stress.read())
    report = _report(offer, found, given) | {"by_currency": by_currency}
    if offer.collateral:
        report["secured"] = secured.summary(offer.collateral, found.valued, offer.loans)
    if sales:
        report["clearing"] = clearing.compare(sales, offer.loans, found.valued, given)
    _write(out, {"prices": found.table, "rejected": offer.rejected, "scenarios": drawn}, report)
    return PricedTape(out / "prices.parquet", found.valued, found.shapes, report)


def _by_currency(offer: Offer, found: Prices, given: Assumptions,
                 stresses: dict[str, Stress]) -> tuple[list[dict[str, Any]], pl.DataFrame]:  # fmt: skip
    """Return totals, distribution and stresses of the loans in each currency, and the scenarios."""
    factor = offer.champion.package.card.common_factor
    rows, drawn = [], []
    for (currency,), part in found.table.with_row_index("row").group_by("currency", maintain_order=True):
        held = np.zeros(found.table.height, dtype=bool)
        held[part["row"].to_numpy()] = True
        mine, owed, region = found.valued.of(held), part["balance"].to_numpy(), offer.loans["region"].filter(held)
        spread = portfolio.distribute(mine, owed, region, found.shapes, factor)
        totals = part.select(pl.col("balance", "expected_recovery", "npv", "price").sum()).row(0, named=True)
        shares = dict(zip(map(str, map(int, mine.horizons)), (spread.expected / spread.balance).tolist(), strict=True))
        rows.append(
            {"currency": currency, "loans": part.height} | totals | {
                "recovery_rate": totals["expected_recovery"] / totals["balance"],
                "price_share": totals["price"] / totals["balance"],
                "recovery_curve": shares,
                "distribution": portfolio.summary(spread, given),
                "stress": stress.stressed(stresses, mine, owed, given),
            }
        )  # fmt: skip
        drawn.append(portfolio.table(spread, str(currency)))
    return rows, pl.concat(drawn)


def _report(offer: Offer, found: Prices, given: Assumptions) -> dict[str, Any]:
    card = offer.champion.package.card
    warnings = []
    if offer.source != card.source:
        warnings.append(
            f"the model was trained on {card.source}, the tape is {offer.source}: nothing shows that it holds there"
        )
    warnings += found.absence.warnings(offer.debtors) + found.outside.warnings()
    if not card.common_factor:
        warnings.append("the model knows of nothing that loans share: its portfolio's interval is too narrow")
    return {
        "model_version": offer.champion.label,
        "source": offer.source,
        "accepted": offer.loans.height,
        "rejected": offer.rejected.height,
        "timing": "model" if len(found.valued.outlook.horizons) > 1 else "assumed",
        "assumptions": given.model_dump(),
        "common_factor": card.common_factor,
        "out_of_population": found.outside.summary() | {"absent": list(found.absence.names)},
        "warnings": warnings,
    }


def _write(out: Path, tables: dict[str, pl.DataFrame], report: dict[str, Any]) -> None:
    """Write all files beside the target and put them in place together."""
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name, table in tables.items():
        table.write_parquet(part / f"{name}.parquet")
    (part / "portfolio.json").write_text(json.dumps(report, indent=1))
    plots.bid_curve(report["by_currency"], part / "bid_curve.png")
    if report.get("clearing", {}).get("segments"):
        plots.clearing(report["clearing"], part / "clearing.png")
    out.mkdir(parents=True, exist_ok=True)
    for file in part.iterdir():
        file.replace(out / file.name)
    part.rmdir()
