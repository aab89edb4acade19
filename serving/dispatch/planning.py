"""Whom to try, how and when: the day's assignment, and what one more of each capacity would add."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from serving.dispatch import assignment
from serving.dispatch.assignment import Assignment, Offers, Options
from serving.dispatch.capacities import COURT, Capacities

AGENCY = "agency"
_KEY = ["channel", "slot"]


@dataclass(frozen=True)
class Planned:
    """A day's assignment.

    Attributes
    ----------
    chosen : polars.DataFrame
        The offers taken, one a debtor, with the ``pool`` (or agency) that works each.
    limits : polars.DataFrame
        By ``pool``, ``unit``, ``capacity``, ``used`` and ``added_by_one_more``: expected net cash (currency) that
        one more unit, working all its hours, would add; an agency's ``least`` and ``added_by_one_less`` of it.
    by_hour : polars.DataFrame
        The same of a pool's single hours.
    gap : float
        Distance to the linear bound, as a share of it.
    unmet : list of str
        Demands that cannot be met, and by how much.
    """

    chosen: pl.DataFrame
    limits: pl.DataFrame
    by_hour: pl.DataFrame
    gap: float
    unmet: list[str]


def optimum(offers: pl.DataFrame, desk: Capacities, moment: datetime, taken: pl.DataFrame | None = None) -> Planned:
    """Return the offers whose net values sum up to most, one a debtor.

    Parameters
    ----------
    offers : polars.DataFrame
        ``borrower_id``, ``region``, ``channel``, ``slot`` (UTC) and ``net_value`` (currency), and more. A
        placement has the channel ``agency NAME``, a filing ``court``; neither has a slot.
    desk : Capacities
    moment : datetime
        The day begins then (UTC).
    taken : polars.DataFrame, optional
        ``pool`` and ``slot`` of what is used up already, a row a unit.
    """
    places = _left(options(desk, moment), taken)
    arcs = _arcs(offers, places)
    limited = _limits(places, desk, taken)
    counts = np.bincount(arcs["person"].to_numpy(), minlength=1)
    found = assignment.solve(
        Offers(np.concatenate([[0], np.cumsum(counts)]), arcs["option"].to_numpy(), arcs["net_value"].to_numpy()),
        limited,
    )
    taken = arcs.filter(pl.Series(found.chosen)).select("offer", "option").sort("offer")
    chosen = offers[taken["offer"]].with_columns(pl.col(pl.Categorical).cast(pl.String))
    chosen = chosen.with_columns(places["pool"].gather(taken["option"]))
    used = np.bincount(taken["option"].to_numpy(), minlength=places.height)
    told = places.with_columns(
        pl.col("capacity") + pl.col("gone"), pl.Series("used", used) + pl.col("gone"),
        pl.Series("price", found.price), pl.Series("duty", found.duty),
    )  # fmt: skip
    eligible = dict(arcs.group_by("option").agg(pl.col("person").n_unique()).iter_rows())
    return Planned(
        chosen,
        _prices(told, desk, found),
        told.filter(pl.col("slot").is_not_null()).select("pool", "slot", "capacity", "used", "price"),
        found.gap,
        _unmet(told, found, eligible),
    )


def _arcs(offers: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Return which offer could take which option: ``person``, ``offer``, ``option``, ``net_value``, by person.

    Of a person's offers for one option only the best counts, the first of equals. Whoever is needed for a minimum
    counts though he brings nothing.
    """
    texts = pl.col("channel", "region").cast(pl.Categorical)
    needed = places.filter((pl.col("least") > 0) | (pl.col("share_least") > 0))["channel"].cast(pl.Categorical)
    person = _numbered(offers["borrower_id"].cast(pl.Categorical).to_physical()).alias("person")
    lean = offers.select(person, "net_value", "slot", texts).with_row_index("offer")
    lean = lean.filter((pl.col("net_value") > 0) | pl.col("channel").is_in(needed.implode()))
    arcs = lean.join(
        places.select("option", "regions", "slot", pl.col("channel").cast(pl.Categorical)), on=_KEY, nulls_equal=True
    )
    if places["regions"].is_not_null().any():
        here = pl.col("regions").list.contains(pl.col("region").cast(pl.String)).fill_null(False)
        arcs = arcs.filter(pl.col("regions").is_null() | here)
    arcs = arcs.select("person", "offer", "option", "net_value")
    arcs = arcs.sort("person", "option", "net_value", "offer", descending=[False, False, True, False])
    return arcs.unique(["person", "option"], keep="first", maintain_order=True)


def _numbered(codes: pl.Series) -> pl.Series:
    """Number codes by where they come first, since a category's own code depends on what the process read before."""
    once = codes.unique(maintain_order=True).to_numpy()
    number = np.zeros(int(once.max(initial=0)) + 1, np.uint32)
    number[once] = np.arange(len(once))
    return pl.Series(number[codes.to_numpy()])


def options(desk: Capacities, moment: datetime) -> pl.DataFrame:
    """Return all that an offer may use: pools' hours, agencies and the court, numbered by ``option``."""
    pools = desk.places(moment).with_columns(least=pl.lit(0), share_least=pl.lit(0.0), share_most=pl.lit(1.0))
    others = [
        (name, f"{AGENCY} {name}", agency.most, agency.least, *agency.share) for name, agency in desk.agencies.items()
    ]
    others.append((COURT, COURT, desk.court.filings, 0, 0.0, 1.0))
    schema = {"pool": pl.String(), "channel": pl.String(), "capacity": pl.Int64(), "least": pl.Int32(),
              "share_least": pl.Float64(), "share_most": pl.Float64()}  # fmt: skip
    whole = pl.concat([pools, pl.DataFrame(others, schema=schema, orient="row")], how="diagonal")
    return whole.with_row_index("option")


def _left(places: pl.DataFrame, taken: pl.DataFrame | None) -> pl.DataFrame:
    """Take off what is used up already."""
    if taken is None or taken.is_empty():
        return places.with_columns(gone=pl.lit(0))
    used = taken.group_by("pool", "slot").len("gone")
    left = places.join(used, on=["pool", "slot"], how="left", nulls_equal=True, maintain_order="left")
    return left.with_columns(pl.col("gone").fill_null(0)).with_columns(pl.col("capacity") - pl.col("gone"))


def _limits(places: pl.DataFrame, desk: Capacities, taken: pl.DataFrame | None) -> Options:
    """Return the options in numbers; a pool, all agencies, and the court are a group each."""
    group = pl.when(pl.col("channel").str.starts_with(f"{AGENCY} ")).then(pl.lit(AGENCY)).otherwise("pool")
    names = places.select(group.alias("group"))["group"]
    known = names.unique(maintain_order=True)
    gone = dict(taken["pool"].value_counts().iter_rows()) if taken is not None else {}
    most = [desk.pools[name].day - gone.get(name, 0) if name in desk.pools else places["capacity"].sum()
            for name in known]  # fmt: skip
    return Options(
        least=places["least"].to_numpy(),
        most=places["capacity"].to_numpy(),
        group=names.replace_strict(known, range(len(known)), return_dtype=pl.Int64).to_numpy(),
        group_least=np.zeros(len(known), np.int64),
        group_most=np.array(most, np.int64),
        share_least=places["share_least"].to_numpy(),
        share_most=places["share_most"].to_numpy(),
    )


def _prices(told: pl.DataFrame, desk: Capacities, found: Assignment) -> pl.DataFrame:
    """Return what each pool, agency and the court used, and what one more unit would add."""
    rows = []
    for name, part in told.group_by("pool", maintain_order=True):
        pool = desk.pools.get(str(name[0]))
        unit = pool.unit if pool else "debts" if part["channel"][0] != COURT else "filings"
        each = pool.each if pool else 1
        rows.append((name[0], part["channel"][0], unit, pool.units if pool else part["capacity"][0],
                     pool.day if pool else part["capacity"][0], part["used"].sum(), each * part["price"].sum(),
                     part["least"][0], part["duty"][0]))  # fmt: skip
    schema = ["pool", "channel", "unit", "units", "capacity", "used", "added_by_one_more", "least", "added_by_one_less"]
    table = pl.DataFrame(rows, schema=schema, orient="row")
    # pools come first, each a group of its own
    more = [found.group_price[row] if name in desk.pools else 0.0 for row, name in enumerate(table["pool"])]
    return table.with_columns(pl.Series("added_by_one_more_a_day", more, dtype=pl.Float64))


def _unmet(told: pl.DataFrame, found: Assignment, eligible: dict[int, int]) -> list[str]:
    return [
        f"{row['pool']} is to have at least {row['least']} debts a day: {eligible.get(row['option'], 0)} could be "
        f"placed, {row['used']} are, {short} are missing"
        for row, short in zip(told.to_dicts(), found.short, strict=True)
        if short
    ]
