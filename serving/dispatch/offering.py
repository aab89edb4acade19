"""What may be done about each case today, and what each way is worth."""

from dataclasses import replace
from datetime import datetime

import polars as pl

from features.feeds.columns import INSTANT
from features.store import FeatureDoor
from serving.dispatch import candidates, court, placements, valuing
from serving.dispatch.capacities import COURT, Capacities
from serving.dispatch.planning import AGENCY
from training.attempt_value import AttemptValue
from training.registry import Registered

_THREADS = 2
_COURT_DAYS = 365
"""Days in which a case in court is not worked otherwise."""
_TEXTS = ("loan_id", "borrower_id", "region", "channel")


def contacts(door: FeatureDoor, told: candidates.Judged, moment: datetime, model: Registered,
             values: AttemptValue) -> tuple[pl.DataFrame, valuing.Known]:  # fmt: skip
    """Return the lawful candidates, and what was known of their ways.

    Millions of them: ``way``, ``slot`` (UTC), ``chance``, ``net_value`` (currency), ``loan_id``, ``borrower_id``,
    ``region`` and ``channel`` as categories, ``owed`` and ``months_since_default``.
    """
    service = model.package.card.service
    known = valuing.known(told.ways, told.lawful, moment, lambda rows: door.frame(service, rows))
    as_read = pl.col(pl.Float64).cast(pl.Float32), pl.col(pl.String).cast(pl.Categorical)  # by the model, slot by slot
    lean = replace(known, frame=known.frame.with_columns(as_read))
    parts = [
        valuing.valued(part, frame, model.package, values, threads=_THREADS).select(
            "way", "slot", "chance", "net_value"
        )
        for part, frame in lean.by_slot(told.lawful)
    ]
    nothing = pl.DataFrame(schema={"way": pl.UInt32, "slot": INSTANT, "chance": pl.Float64, "net_value": pl.Float64})
    offers = pl.concat([nothing, *parts])
    facts = told.ways.select(pl.col(_TEXTS).cast(pl.Categorical), "owed", "months_since_default")
    return offers.hstack(facts[offers["way"]]), known


def with_best(cases: pl.DataFrame, tried: pl.DataFrame) -> pl.DataFrame:
    """Add ``best_contact``: the net value (currency) of a case's best attempt today, 0 where none is worth it."""
    best = tried.group_by("loan_id").agg(pl.col("net_value").max().clip(0.0).alias("best_contact"))
    best = best.with_columns(pl.col("loan_id").cast(pl.String))
    return cases.join(best, on="loan_id", how="left", maintain_order="left").with_columns(
        pl.col("best_contact").fill_null(0.0)
    )


def attempts_a_day(cases: pl.DataFrame, desk: Capacities) -> float:
    """Return the attempts that an average case gets from the desk in a day."""
    return min(1.0, sum(pool.day for pool in desk.pools.values()) / max(cases.height, 1))


def agencies(door: FeatureDoor, cases: pl.DataFrame, desk: Capacities, moment: datetime) -> pl.DataFrame:
    """Return what placing is worth of cases that an agency may work: see `placements.offers`.

    Nobody insolvent, in dispute or to be left alone, known or not, is placed.
    """
    barred = pl.any_horizontal(pl.col("insolvent", "do_not_contact", "disputed").fill_null(True))
    found = placements.offers(door.lake, cases.filter(~barred), desk, moment, attempts_a_day(cases, desk))
    return _standing(found.with_columns(pl.format(AGENCY + " {}", "agency").alias("channel")), cases)


def filings(door: FeatureDoor, cases: pl.DataFrame, placed: pl.DataFrame, desk: Capacities,
            moment: datetime) -> pl.DataFrame:  # fmt: skip
    """Return every case with its limitation date, and what filing adds over the best other way (``net_value``).

    ``net_value`` is null where filing is not open, or nothing tells what it brings.
    """
    told = court.limitation(cases, moment)
    known = court.estimate(door.lake, moment)
    if known is None:
        blank = pl.lit(None, pl.Float64)
        return told.with_columns(channel=pl.lit(COURT), enforced=blank, court_cost=blank, net_value=blank)
    away = _COURT_DAYS * attempts_a_day(cases, desk)
    best = placed.group_by("loan_id").agg(pl.col("net_value").max().alias("best_placement"))
    other = pl.col("best_contact") * away + pl.col("best_placement").fill_null(0.0).clip(0.0)
    gain = pl.when(pl.col("open_to_filing") & ~pl.col("insolvent")).then(
        pl.col("enforced") - pl.col("court_cost") - other
    )
    return (
        known.of(told)
        .join(best, on="loan_id", how="left", maintain_order="left")
        .with_columns(channel=pl.lit(COURT), net_value=gain)
        .drop("best_placement")
    )


def urgent(filed: pl.DataFrame, desk: Capacities) -> pl.DataFrame:
    """Return the flagged cases whose filing pays, soonest lapse first, one a debtor, as many as can be filed."""
    pays = filed.filter(pl.col("flagged") & (pl.col("net_value") > 0))
    first = pays.sort("days_left", "loan_id").unique("borrower_id", keep="first", maintain_order=True)
    return first.head(desk.court.filings)


def whole(tried: pl.DataFrame, placed: pl.DataFrame, filed: pl.DataFrame) -> pl.DataFrame:
    """Return contacts, placements and filings as offers of one table, whose texts are categories."""
    filing = filed.filter(pl.col("net_value") > 0).select(*_TEXTS, "owed", "net_value")
    texts = pl.col(_TEXTS).cast(pl.Categorical)
    others = [table.with_columns(texts) for table in (placed.drop("agency", "kind", "brings", "currency"), filing)]
    return pl.concat([tried, *others], how="diagonal")


def _standing(offers: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    facts = cases.select("loan_id", "borrower_id", "region", "currency", "owed")
    return offers.join(facts, on="loan_id", how="left", maintain_order="left")
