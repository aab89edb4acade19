"""A tape on offer, valued loan by loan: `recoup price`."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from features import intake, mapping
from features.errors import RecoupError
from features.feeds.columns import INSTANT
from features.home import Home
from features.store import FeatureDoor
from serving.pricing import clearing, plots, portfolio, secured, stress, valuation
from serving.pricing.absence import Absence
from serving.pricing.clearing import Sale
from serving.pricing.population import Outside, Population
from serving.pricing.stress import Stress
from serving.pricing.valuation import Assumptions
from training import registry
from training.job import Progress
from training.outlook import ULTIMATE
from training.registry import Registered

REASONS = 3
_PRICED = ("charged_off", "delinquent")


@dataclass(frozen=True)
class Offer:
    """A tape as it was read.

    Attributes
    ----------
    champion : Registered
        The recovery model in force.
    source : str
        The mapping's name for whoever wrote the tape.
    loans : polars.DataFrame, shape (n, ...)
        Canonical columns of the loans that can be priced.
    frame : polars.DataFrame, shape (n, features)
        Their model inputs, at the ultimate horizon.
    rejected : polars.DataFrame
        The other rows, with ``field`` and ``reason``.
    debtors : int
        Debtors of the loans of whom the lake's ``borrowers`` feed tells anything.
    collateral : Collateral or None
        What the collateral of secured loans is expected to pay; none when no loan is secured.
    """

    champion: Registered
    source: str
    loans: pl.DataFrame
    frame: pl.DataFrame
    rejected: pl.DataFrame
    debtors: int
    collateral: secured.Collateral | None


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
    home : Home
        Whose champion recovery model, market and contact history are used.
    path : Path
        The tape.
    source : str
        Name or path of its mapping. Only what was known at the cut-off is read.
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
        When the tape cannot be read, nothing in it can be priced, or no model is trained.
    """
    return value(read(home, path, source, progress), out, given, sales, stresses)


def read(home: Home, path: Path, source: str, progress: Progress = print, champion: Registered | None = None) -> Offer:
    """Read a tape with its model inputs, for the model in force or another; see `price`."""
    champion = champion or registry.load(home, "recovery")
    progress(f"reading {path.name} as {source}")
    layout = mapping.load(source)
    (rows,) = intake.read_feeds(path, layout, "loans")
    tape, rejected = _priceable(rows)
    if tape.is_empty():
        raise RecoupError(f"{path}: no loan can be priced{_first(rejected)}")
    progress(f"{tape.height:,} loans to price, {rejected.height:,} rejected{_first(rejected)}")
    door = FeatureDoor(home)
    borrowers = door.lake.scan("borrowers").join(tape.lazy(), on="borrower_id", how="semi").collect()
    frame = _features(door, champion, tape, borrowers)
    held = secured.read(tape, door.lake.scan("litigation"))
    return Offer(champion, layout.source, tape, frame, rejected, borrowers["borrower_id"].n_unique(), held)


def value(offer: Offer, out: Path, given: Assumptions, sales: list[Sale] | None = None,
          stresses: dict[str, Stress] | None = None) -> PricedTape:  # fmt: skip
    """Value a tape that was read, and write the files; see `price`."""
    table, valued, shapes, absence, outside = prices(offer, given)
    by_currency, drawn = _by_currency(offer, table, valued, shapes, given, stresses or stress.read())
    report = _report(offer, absence, outside, valued, given) | {"by_currency": by_currency}
    if offer.collateral:
        report["secured"] = secured.summary(offer.collateral, valued, offer.loans)
    if sales:
        report["clearing"] = clearing.compare(sales, offer.loans, valued, given)
    _write(out, {"prices": table, "rejected": offer.rejected, "scenarios": drawn}, report)
    return PricedTape(out / "prices.parquet", valued, shapes, report)


def _priceable(rows: intake.FeedRows) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part what can be priced from what cannot, which is kept with its reason."""
    accepted = rows.accepted.with_columns(
        reason=pl.when(~pl.col("status").is_in(_PRICED))
        .then(pl.format("status: {} is not in default", "status"))
        .when(pl.col("balance") <= 0)
        .then(pl.lit("balance: nothing is owed"))
    )
    refused = accepted.filter(pl.col("reason").is_not_null()).with_columns(
        field=pl.col("reason").str.split(":").list.first()
    )
    kept = accepted.filter(pl.col("reason").is_null()).drop("reason")
    rejected = pl.concat([rows.rejected, refused.select(rows.rejected.columns)])
    # a tape is valued as of its own cut-off, whenever the file reached us
    return kept.with_columns(known_at=pl.col("cutoff_on").cast(INSTANT)), rejected


def _first(rejected: pl.DataFrame) -> str:
    """Return what was wrong with the first row that was rejected."""
    if rejected.is_empty():
        return ""
    row = rejected.sort("file_row").row(0, named=True)
    return f"; the first: loan {row['loan_id']} in row {row['file_row']}, {row['reason']}"


def _features(door: FeatureDoor, champion: Registered, tape: pl.DataFrame, borrowers: pl.DataFrame) -> pl.DataFrame:
    rows = tape.select(
        "loan_id",
        "borrower_id",
        "region",
        pl.col("product").alias("loan_product"),
        pl.col("cutoff_on").cast(INSTANT).alias("moment"),
        pl.lit(ULTIMATE).alias("horizon_months_asked"),
    )
    feeds = {"loans": tape.lazy(), "borrowers": borrowers.lazy()}
    return door.tape_frame(champion.package.card.service, feeds, rows)


def prices(offer: Offer, given: Assumptions) -> tuple[pl.DataFrame, valuation.Valued, np.ndarray, Absence, Outside]:
    """Value the loans of a tape that was read.

    Returns
    -------
    table : polars.DataFrame, shape (n, ...)
        The columns of ``prices.parquet``.
    valued : Valued
    shapes : ndarray
        What ``outlook.shape`` refers to.
    absence : Absence
        Inputs that the model knew of every loan and the tape has of none; all intervals are wider for it.
    outside : Outside
        What else lies outside the training population; such loans have wider intervals.
    """
    package, owed = offer.champion.package, offer.loans["balance"].to_numpy()
    population = Population.of(package)
    absence = Absence.of(package, population, offer.frame)
    outside = absence.left_out(population).outside(offer.frame)
    outlook, places, moves = package.appraise(offer.frame, REASONS, threads=2)
    valued, shapes = valuation.value(population.widened(absence.widened(outlook), outside), owed, given), package.shapes
    reasons = _reasons(package.names, places, moves * owed[:, None])
    if offer.collateral:
        valued, shapes = secured.combine(valued, offer.collateral, shapes, given)
        told = secured.reasons(offer.collateral, valued, REASONS)
        reasons = [
            column.scatter(offer.collateral.rows, texts)
            for column, texts in zip(reasons, zip(*told, strict=True), strict=True)
        ]
    table = offer.loans.select("loan_id", "currency", "balance").with_columns(
        *[pl.Series(name, column) for name, column in (valued.columns() | valued.by_horizon()).items()],
        *reasons,
        outside.names,
        pl.lit(offer.champion.label).alias("model_version"),
    )
    return table, valued, shapes, absence, outside


def _reasons(names: list[str], places: np.ndarray, money: np.ndarray) -> list[pl.Series]:
    """Return the inputs that move each loan's recovery most, with what they move it by."""
    known = pl.Series(names)
    return (
        pl.DataFrame(
            {f"name_{k}": known.gather(places[:, k]) for k in range(REASONS)}
            | {f"money_{k}": money[:, k] for k in range(REASONS)}
        )
        .select(
            pl.format("{} {}", f"name_{k}", pl.col(f"money_{k}").round(2)).alias(f"reason_{k + 1}")
            for k in range(REASONS)
        )
        .get_columns()
    )


def _by_currency(offer: Offer, table: pl.DataFrame, valued: valuation.Valued, shapes: np.ndarray, given: Assumptions,
                 stresses: dict[str, Stress]) -> tuple[list[dict[str, Any]], pl.DataFrame]:  # fmt: skip
    """Return totals, distribution and stresses of the loans in each currency, and the scenarios."""
    factor = offer.champion.package.card.common_factor
    rows, drawn = [], []
    for (currency,), part in table.with_row_index("row").group_by("currency", maintain_order=True):
        held = np.zeros(table.height, dtype=bool)
        held[part["row"].to_numpy()] = True
        mine, owed, region = valued.of(held), part["balance"].to_numpy(), offer.loans["region"].filter(held)
        spread = portfolio.distribute(mine, owed, region, shapes, factor)
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


def _report(offer: Offer, absence: Absence, outside: Outside, valued: valuation.Valued,
            given: Assumptions) -> dict[str, Any]:  # fmt: skip
    card = offer.champion.package.card
    warnings = []
    if offer.source != card.source:
        warnings.append(
            f"the model was trained on {card.source}, the tape is {offer.source}: nothing shows that it holds there"
        )
    warnings += absence.warnings(offer.debtors) + outside.warnings()
    if not card.common_factor:
        warnings.append("the model knows of nothing that loans share: its portfolio's interval is too narrow")
    return {
        "model_version": offer.champion.label,
        "source": offer.source,
        "accepted": offer.loans.height,
        "rejected": offer.rejected.height,
        "timing": "model" if len(valued.outlook.horizons) > 1 else "assumed",
        "assumptions": given.model_dump(),
        "common_factor": card.common_factor,
        "out_of_population": outside.summary() | {"absent": list(absence.names)},
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
