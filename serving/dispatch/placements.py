"""Debts for agencies: how well each agency does with each kind of debt, what placing one is worth, when it comes back.

An agency's skill is what it collected over what all agencies together would have from such debts (indirect
standardisation: the easy ones go to the good, so that bare rates deceive). It is drawn towards the mean of
agencies, and a kind's skill towards its agency's, the more the less is known (random effects, DerSimonian and
Laird 1986, doi:10.1016/0197-2456(86)90046-2): an agency nobody has tried is as good as the mean.
"""

import hashlib
import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from features.errors import RecoupError
from features.lake import Lake
from serving.dispatch.capacities import Agency, Capacities

STALE_DAYS = 90
"""Days without a payment after which a debt is taken back, whatever its term."""
_AGES = (12.0, 36.0)
"""Edges of a kind's age, months since default."""
_KIND, _STRATUM = ["age_kind", "size_kind"], ["age_kind", "size_kind", "credit_grade"]
_OWN = ("self", "court")
"""Sources of cash that no agency brings."""
_WHOLE = 2**64
NOBODY = pl.DataFrame(schema={"loan_id": pl.String, "agency": pl.String, "placed_on": pl.Date})
"""No debt is with an agency; see `read`."""


@dataclass(frozen=True)
class Skills:
    """What agencies collect within a term.

    Attributes
    ----------
    rates : polars.DataFrame
        Per stratum: ``rate``, cash over what is owed, of all agencies.
    overall : float
        The same of all debts.
    typical : float
        Debt (currency) above which it is large.
    by_agency, by_kind : polars.DataFrame
        ``skill``, a multiple of the rate, after shrinkage; ``raw``, ``standard_error``, ``placements`` before.
    """

    rates: pl.DataFrame
    overall: float
    typical: float
    by_agency: pl.DataFrame
    by_kind: pl.DataFrame

    def of(self, cases: pl.DataFrame, agency: str) -> pl.Series:
        """Return the cash (currency) that an agency is expected to bring of debts within the term."""
        found = kinds(cases, self.typical).join(self.rates, on=_STRATUM, how="left", maintain_order="left")
        own = self.by_kind.filter(pl.col("agency") == agency).select(*_KIND, "skill")
        found = found.join(own, on=_KIND, how="left", maintain_order="left")
        whole = self.by_agency.filter(pl.col("agency") == agency)["skill"]
        skill = pl.col("skill").fill_null(whole[0] if len(whole) else 1.0)
        return found.select(pl.col("rate").fill_null(self.overall) * skill * pl.col("owed")).to_series()


def kinds(cases: pl.DataFrame, typical: float) -> pl.DataFrame:
    """Add ``age_kind`` and ``size_kind`` to debts with ``months_since_default`` and ``owed``."""
    young, old = (int(edge) for edge in _AGES)
    age = pl.col("months_since_default")
    band = pl.when(age < young).then(pl.lit(f"under {young}")).when(age < old).then(pl.lit(f"{young}-{old}"))
    return cases.with_columns(
        band.otherwise(pl.lit(f"{old} up")).alias("age_kind"),
        pl.when(pl.col("owed") > typical).then(pl.lit("large")).otherwise(pl.lit("small")).alias("size_kind"),
    )


def estimate(lake: Lake, moment: datetime, term_days: int) -> Skills | None:
    """Estimate from the attempts that agencies logged and the cash within the term, as known by a moment (UTC).

    A placement begins with an agency's first attempt on a debt. None when no placement is as old as the term.
    """
    past = _history(lake, moment, timedelta(days=term_days))
    return None if past.is_empty() else skills(past)


def skills(past: pl.DataFrame) -> Skills:
    """Estimate from past placements: ``agency``, ``months_since_default``, ``owed``, ``credit_grade``, ``cash``."""
    typical = float(np.median(past["owed"].to_numpy()))
    table = kinds(past, typical)
    rates = table.group_by(_STRATUM, maintain_order=True).agg(
        (pl.col("cash").sum() / pl.col("owed").sum()).alias("rate")
    )
    overall = float(table["cash"].sum()) / float(table["owed"].sum())
    table = table.join(rates, on=_STRATUM, how="left", maintain_order="left", nulls_equal=True)
    table = table.with_columns(expected=pl.col("rate") * pl.col("owed"))
    agencies = _ratios(table, ["agency"])
    agencies = agencies.with_columns(skill=_shrunk(agencies, np.ones(agencies.height)))
    of_kinds = _ratios(table, ["agency", *_KIND])
    towards = of_kinds.join(agencies.select("agency", "skill"), on="agency", maintain_order="left")["skill"].to_numpy()
    of_kinds = of_kinds.with_columns(skill=_shrunk(of_kinds, towards))
    return Skills(rates, overall, typical, agencies, of_kinds)


def _ratios(table: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return cash over what was expected by key, with its standard error.

    How far a debt's cash strays is taken from all debts: those of a new agency are too few to tell.
    """
    noise = table.select(((pl.col("cash") - pl.col("expected")) ** 2).sum() / (pl.col("expected") ** 2).sum()).item()
    return (
        table.group_by(keys, maintain_order=True)
        .agg(
            raw=pl.col("cash").sum() / pl.col("expected").sum(),
            standard_error=(noise * (pl.col("expected") ** 2).sum()).sqrt() / pl.col("expected").sum(),
            placements=pl.len(),
        )
        .filter(pl.col("raw").is_finite() & (pl.col("standard_error") > 0))
        .sort(keys)
    )


def _shrunk(ratios: pl.DataFrame, towards: np.ndarray) -> pl.Series:
    """Draw each ratio towards another figure, the more the less is known."""
    raw, variance = ratios["raw"].to_numpy(), ratios["standard_error"].to_numpy() ** 2
    precision = 1 / variance
    excess = (precision * (raw - towards) ** 2).sum() - len(raw)
    between = max(excess / precision.sum(), 0.0) if len(raw) else 0.0
    trust = between / (between + variance)
    return pl.Series("skill", trust * raw + (1 - trust) * towards)


def _history(lake: Lake, moment: datetime, term: timedelta) -> pl.DataFrame:
    loans = lake.scan("loans").filter(pl.col("known_at") <= moment).sort("known_at", maintain_order=True)
    debts = loans.group_by("loan_id").agg(pl.col("balance", "default_on", "credit_grade").last())
    placed = (
        lake.scan("contacts")
        .filter((pl.col("known_at") <= moment) & pl.col("agency").is_not_null() & pl.col("loan_id").is_not_null())
        .group_by("loan_id", "agency")
        .agg(pl.col("attempted_at").min().alias("placed_at"))
        .filter(pl.col("placed_at") <= moment - term)
        .join(debts, on="loan_id")
    )
    cash = lake.scan("payments").filter((pl.col("known_at") <= moment) & ~pl.col("source").is_in(_OWN).fill_null(False))
    within = pl.col("paid_at").is_between(pl.col("placed_at"), pl.col("placed_at") + term)
    brought = (
        placed.join(cash.select("loan_id", "paid_at", "amount"), on="loan_id")
        .group_by("loan_id", "agency")
        .agg(pl.col("amount").filter(within).sum().alias("cash"))
    )
    months = (pl.col("placed_at") - pl.col("default_on").cast(pl.Datetime("us", "UTC"))).dt.total_days() / 30.4375
    return (
        placed.join(brought, on=["loan_id", "agency"], how="left")
        .select("loan_id", "agency", "credit_grade", pl.col("balance").alias("owed"), pl.col("cash").fill_null(0.0),
                months.alias("months_since_default"))
        .filter(pl.col("owed") > 0)
        .sort("loan_id", "agency")
        .collect()
    )  # fmt: skip


def offers(lake: Lake, cases: pl.DataFrame, desk: Capacities, moment: datetime, attempts_a_day: float) -> pl.DataFrame:
    """Return what placing each case with each agency is worth.

    The columns are ``loan_id``, ``agency``, ``kind``, ``brings`` and ``net_value`` (currency). A debt with an agency is
    away for the term: what the desk's own attempts in that time would have added is taken off.

    Parameters
    ----------
    lake : Lake
    cases : polars.DataFrame
        With ``best_contact``: the net value (currency) of the best attempt today, 0 where there is none.
    desk : Capacities
    moment : datetime
        What was known then counts (UTC).
    attempts_a_day : float
        That an average case gets from the desk.
    """
    known = {days: estimate(lake, moment, days) for days in {agency.term_days for agency in desk.agencies.values()}}
    parts = [
        _offered(cases, name, agency, found, attempts_a_day)
        for name, agency in desk.agencies.items()
        if (found := known[agency.term_days]) is not None
    ]
    nothing = {
        "loan_id": pl.String,
        "agency": pl.String,
        "kind": pl.String,
        "brings": pl.Float64,
        "net_value": pl.Float64,
    }
    return pl.concat([pl.DataFrame(schema=nothing), *parts])


def _offered(cases: pl.DataFrame, name: str, agency: Agency, found: Skills, attempts_a_day: float) -> pl.DataFrame:
    brings, own = found.of(cases, name), cases["best_contact"] * attempts_a_day * agency.term_days
    named = kinds(cases, found.typical)
    return named.select(
        "loan_id", pl.lit(name).alias("agency"), pl.format("{}, {}", *_KIND).alias("kind")
    ).with_columns(brings.alias("brings"), (brings * (1 - agency.commission) - own).alias("net_value"))


def explored(placed: pl.DataFrame, part: float, day: date) -> pl.DataFrame:
    """Exchange agencies among a part of the placements by lot, so that each agency has as many as before.

    Parameters
    ----------
    placed : polars.DataFrame
        ``loan_id`` and ``agency``.
    part : float
        Whose agency is left to chance.
    day : date
        Draws the lots.

    Returns
    -------
    polars.DataFrame
        With ``explored``, and ``probability``: with which the policy gives the debt to this agency.
    """
    edge, salt = int(part * _WHOLE), f"explore {day} ".encode()
    lots = [int.from_bytes(hashlib.sha256(salt + loan.encode()).digest()[:8]) < edge for loan in placed["loan_id"]]
    planned, rows = placed["agency"].to_list(), [row for row, lot in enumerate(lots) if lot]
    given, drawn = list(planned), [planned[row] for row in rows]
    random.Random(str(day)).shuffle(drawn)
    for row, agency in zip(rows, drawn, strict=True):
        given[row] = agency
    chance = {agency: drawn.count(agency) / len(drawn) for agency in set(drawn)}
    told = [(1 - part) * (own == mine) + part * chance.get(mine, 0.0)
            for own, mine in zip(planned, given, strict=True)]  # fmt: skip
    return placed.with_columns(
        pl.Series("agency", given, dtype=pl.String), pl.Series("explored", lots, dtype=pl.Boolean),
        pl.Series("probability", told, dtype=pl.Float64),
    )  # fmt: skip


def read(path: Path) -> pl.DataFrame:
    """Read the debts that are with agencies: a CSV file of ``loan_id``, ``agency``, ``placed_on`` (YYYY-MM-DD).

    Raises
    ------
    RecoupError
        When the file cannot be read, a column is missing, or a row is wrong; the message names it.
    """
    names = ["loan_id", "agency", "placed_on"]
    try:
        rows = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RecoupError(f"{path} cannot be read as placements: {error}") from error
    if missing := [name for name in names if name not in rows.columns]:
        raise RecoupError(f"{path}: column {missing[0]} is missing: placements have {', '.join(names)}")
    found = rows.select("loan_id", "agency", pl.col("placed_on").str.to_date("%Y-%m-%d", strict=False))
    for name in names:
        if bad := found[name].is_null().arg_true().to_list():
            raise RecoupError(f"{path}: row {bad[0] + 2}, {name}: empty or unreadable; a day is YYYY-MM-DD")
    if twice := found["loan_id"].is_duplicated().arg_true().to_list():
        raise RecoupError(f"{path}: row {twice[0] + 2}, loan_id: the debt is with an agency twice")
    return found


def recalls(out: pl.DataFrame, lake: Lake, desk: Capacities, moment: datetime) -> pl.DataFrame:
    """Return the placements to take back, with ``reason``: the term is over, nothing was paid, or no contract.

    Parameters
    ----------
    out : polars.DataFrame
        See `read`.
    lake : Lake
    desk : Capacities
    moment : datetime
        What was known then counts (UTC).
    """
    terms = {name: agency.term_days for name, agency in desk.agencies.items()}
    last = (
        lake.scan("payments").filter(pl.col("known_at") <= moment).group_by("loan_id")
        .agg(pl.col("paid_at").max().dt.date().alias("paid_on")).collect()
    )  # fmt: skip
    term = pl.col("agency").replace_strict(terms, default=None, return_dtype=pl.Int64)
    day = pl.lit(moment.date())
    quiet = (day - pl.max_horizontal("placed_on", "paid_on")).dt.total_days()
    reason = (
        pl.when(term.is_null()).then(pl.lit("no contract with the agency"))
        .when((day - pl.col("placed_on")).dt.total_days() >= term).then(pl.lit("the term is over"))
        .when(quiet >= STALE_DAYS).then(pl.lit(f"nothing paid for {STALE_DAYS} days"))
    )  # fmt: skip
    known = out.join(last, on="loan_id", how="left", maintain_order="left")
    return known.select("loan_id", "agency", "placed_on", reason.alias("reason")).filter(pl.col("reason").is_not_null())
