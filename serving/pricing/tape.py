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
from serving.pricing import valuation
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
    """

    champion: Registered
    source: str
    loans: pl.DataFrame
    frame: pl.DataFrame
    rejected: pl.DataFrame


@dataclass(frozen=True)
class PricedTape:
    """Where the result lies, the values and their totals."""

    prices: Path
    valued: valuation.Valued
    portfolio: dict[str, Any]


def price(home: Home, path: Path, source: str, out: Path, given: Assumptions, progress: Progress = print) -> PricedTape:
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
        Folder for ``prices.parquet``, ``rejected.parquet`` and ``portfolio.json``.
    given : Assumptions
        Required return and costs.
    progress : callable

    Raises
    ------
    RecoupError
        When the tape cannot be read, nothing in it can be priced, or no model is trained.
    """
    return value(read(home, path, source, progress), out, given)


def read(home: Home, path: Path, source: str, progress: Progress = print, champion: Registered | None = None) -> Offer:
    """Read a tape with its model inputs, for the model in force or another; see `price`."""
    champion = champion or registry.load(home, "recovery")
    progress(f"reading {path.name} as {source}")
    layout = mapping.load(source)
    (rows,) = intake.read_feeds(path, layout, "loans")
    tape, rejected = _priceable(rows)
    if tape.is_empty():
        first = rejected["reason"][0] if rejected.height else "it has no rows"
        raise RecoupError(f"{path}: no loan can be priced; the first reason: {first}")
    progress(f"{tape.height:,} loans to price, {rejected.height:,} rejected")
    return Offer(champion, layout.source, tape, _features(FeatureDoor(home), champion, tape), rejected)


def value(offer: Offer, out: Path, given: Assumptions) -> PricedTape:
    """Value a tape that was read, and write the files; see `price`."""
    table, valued = _prices(offer.champion, offer.loans, offer.frame, given)
    portfolio = _portfolio(offer.champion, offer.source, table, offer.rejected, valued, given)
    _write(out, table, offer.rejected, portfolio)
    return PricedTape(out / "prices.parquet", valued, portfolio)


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


def _features(door: FeatureDoor, champion: Registered, tape: pl.DataFrame) -> pl.DataFrame:
    rows = tape.select(
        "loan_id",
        "borrower_id",
        "region",
        pl.col("cutoff_on").cast(INSTANT).alias("moment"),
        pl.lit(ULTIMATE).alias("horizon_months_asked"),
    )
    known = door.lake.scan("borrowers").join(tape.lazy(), on="borrower_id", how="semi")
    feeds = {"loans": tape.lazy(), "borrowers": known}
    return door.tape_frame(champion.package.card.service, feeds, rows)


def _prices(
    champion: Registered, tape: pl.DataFrame, frame: pl.DataFrame, given: Assumptions
) -> tuple[pl.DataFrame, valuation.Valued]:
    package, owed = champion.package, tape["balance"].to_numpy()
    places, moves, rate = package.reasons(frame, REASONS, threads=2)
    valued = valuation.value(package.outlook(frame, threads=2), owed, given, rate)
    names = pl.Series(package.names)
    reasons = [
        pl.DataFrame({"name": names.gather(places[:, k]), "money": moves[:, k] * owed})
        .select(pl.format("{} {}", "name", pl.col("money").round(2)))
        .to_series()
        .alias(f"reason_{k + 1}")
        for k in range(REASONS)
    ]
    table = tape.select("loan_id", "currency", "balance").with_columns(
        *[pl.Series(name, column) for name, column in (valued.columns() | valued.by_horizon()).items()],
        *reasons,
        pl.lit(champion.label).alias("model_version"),
    )
    return table, valued


def _portfolio(champion: Registered, source: str, table: pl.DataFrame, rejected: pl.DataFrame,
               valued: valuation.Valued, given: Assumptions) -> dict[str, Any]:  # fmt: skip
    totals = table.group_by("currency", maintain_order=True).agg(
        pl.len().alias("loans"), pl.col("balance", "expected_recovery", "npv", "price").sum()
    )
    balance = table["balance"].to_numpy()
    curve = (valued.curve * balance[:, None]).sum(axis=0) / balance.sum()
    warnings = []
    if source != champion.package.card.source:
        warnings.append(
            f"the model was trained on {champion.package.card.source}, the tape is {source}: "
            "nothing shows that it holds there"
        )
    return {
        "model_version": champion.label,
        "source": source,
        "accepted": table.height,
        "rejected": rejected.height,
        "by_currency": totals.to_dicts(),
        "recovery_rate": float((valued.rate * balance).sum() / balance.sum()),
        "price_share": float(valued.price.sum() / balance.sum()),
        "recovery_curve": dict(zip([str(int(h)) for h in valued.horizons], np.round(curve, 6).tolist(), strict=True)),
        "timing": "model" if len(champion.package.card.horizons) > 1 else "assumed",
        "assumptions": given.model_dump(),
        "warnings": warnings,
    }


def _write(out: Path, table: pl.DataFrame, rejected: pl.DataFrame, portfolio: dict[str, Any]) -> None:
    """Write the three files beside the target and put them in place together."""
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    table.write_parquet(part / "prices.parquet")
    rejected.write_parquet(part / "rejected.parquet")
    (part / "portfolio.json").write_text(json.dumps(portfolio, indent=1))
    out.mkdir(parents=True, exist_ok=True)
    for file in part.iterdir():
        file.replace(out / file.name)
    part.rmdir()
