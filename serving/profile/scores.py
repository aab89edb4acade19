"""What the models in force say of a debtor on what was known at a moment: recovery of each debt, hours to reach him."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from features.home import Home
from features.services import NOBODY
from features.store import FeatureDoor
from serving.dispatch import asked, candidates, valuing
from serving.journal import Journal
from serving.profile.known import Known, Row
from serving.scoring import Inputs, Scorer
from training.outlook import ULTIMATE
from training.registry import Registered

HOURS = range(8, 21)
"""Hours on the debtor's clock at which some rule lets him be called."""
_DAYS = 7
_BEST = 3


class Scores:
    """Scores of one debtor, each journalled.

    Parameters
    ----------
    home : Home
    found : Known
    debt : dict
        A row of `serving.profile.profile.debts`: his debt that the scores are about.
    """

    def __init__(self, home: Home, found: Known, debt: Row):
        self._home, self._found, self._debt = home, found, debt
        self._door = FeatureDoor(home)

    def recovery(self, model: Registered) -> dict[str, Any]:
        """Return what the debt is expected to pay, its 90 % interval, and why; shares of what is owed, and money."""
        frame = self._features(model, self._rows().with_columns(pl.lit(ULTIMATE).alias("horizon_months_asked")))
        inputs = self._inputs(model, frame)
        outlook = model.package.rows.explain(inputs.numbers, inputs.texts).outlook
        assert outlook is not None, "a recovery model has an outlook"
        return {
            "recovery_rate": float(outlook.rate[0]),
            "recovery_rate_lower": float(outlook.lower[0, -1]),
            "recovery_rate_upper": float(outlook.upper[0, -1]),
            "expected_recovery": float(outlook.rate[0]) * self._debt["owed"],
        } | self._decided(model, inputs, self._debt["owed"])

    def windows(self, model: Registered, customer: Row) -> dict[str, Any]:
        """Return the chance to reach him by channel, weekday and local hour, in the week from the moment on.

        Returns
        -------
        dict
            ``ways``: for each channel and contact point the consent, ``chance`` by weekday (Monday first) and hour
            of `HOURS`, and the ``best`` hours; ``best``: the likeliest of all, with reasons. Empty where the
            debtor's time zone or every way to him is unknown.
        """
        zone = customer.get("time_zone")
        ways = self._ways(customer)
        if zone is None or ways.is_empty():
            return {}
        known = valuing.inputs(ways, self._found.moment, lambda rows: self._features(model, rows))
        hours = pl.Series([self._found.moment + timedelta(hours=ahead) for ahead in range(24 * _DAYS)])
        local = hours.dt.convert_time_zone(zone)
        grid = pl.DataFrame({"at": hours, "weekday": local.dt.weekday() - 1, "hour": local.dt.hour()})
        grid = ways.with_row_index("way").join(grid, how="cross").filter(pl.col("hour").is_in(list(HOURS)))
        frame = known[grid["way"]].with_columns(asked.calendar(grid["at"], pl.repeat(zone, grid.height, eager=True)))
        grid = grid.with_columns(pl.Series("chance", model.package.scores(frame)))
        # a channel that he does not consent to is the best only where there is no other
        best = int(grid.select(pl.arg_sort_by(pl.col("consent").eq_missing(False), -pl.col("chance"))).item(0, 0))
        inputs = self._inputs(model, frame[best])
        return {
            "time_zone": zone,
            "ways": [_week(part) for _, part in grid.group_by("way", maintain_order=True)],
            "best": _hour(grid.row(best, named=True)) | self._decided(model, inputs, 1.0),
        }

    def _ways(self, customer: Row) -> pl.DataFrame:
        """Return a row per channel and contact point by which he can be reached."""
        consents = {name: value for name, value in customer.items() if name.startswith("consent_")}
        case = pl.DataFrame(
            {"loan_id": self._debt["loan_id"], "borrower_id": self._found.borrower_id}
            | {name: None if value is None else bool(value) for name, value in consents.items()},
            schema_overrides=dict.fromkeys(consents, pl.Boolean),
        )
        points = ["phone", "phone_alt", "email", "address"]
        his = self._found.feeds["borrowers"].select("borrower_id", *points)
        latest = his.group_by("borrower_id").agg(pl.col(points).drop_nulls().last())
        found = candidates.ways(case, latest, self._found.feeds["contacts"])
        return found.filter(pl.col("contact_point").is_not_null())

    def _rows(self) -> pl.DataFrame:
        names = {"loan_id": self._debt["loan_id"], "borrower_id": self._found.borrower_id}
        return pl.DataFrame(names).with_columns(moment=pl.lit(self._found.moment))

    def _features(self, model: Registered, rows: pl.DataFrame) -> pl.DataFrame:
        region, product = (self._debt[name] or NOBODY for name in ("debt_region", "product"))
        keyed = rows.with_columns(region=pl.lit(region), loan_product=pl.lit(product))
        feeds = {name: table.lazy() for name, table in self._found.feeds.items()}
        return self._door.tape_frame(model.package.card.service, feeds, keyed)

    def _inputs(self, model: Registered, frame: pl.DataFrame) -> Inputs:
        return Inputs(*model.package.rows.inputs(frame.head(1).iter_rows(named=True)), [{}], [{}])

    def _decided(self, model: Registered, inputs: Inputs, unit: float) -> dict[str, Any]:
        """Journal a score, and return what it carries."""
        rows = model.package.rows
        scored = rows.explain(inputs.numbers, inputs.texts)
        context = {"moment": self._found.moment.isoformat()}
        (decision,) = Scorer(rows, model.label, Journal(self._home)).decide(
            "profile", [self._debt["loan_id"]], inputs, np.array([unit]), scored, [context]
        )
        return {
            "decision_id": decision.decision_id,
            "model_version": decision.model_version,
            "base_effect": decision.base_effect,
            "reasons": [asdict(reason) for reason in decision.reasons],
            "other_effect": decision.other_effect,
        }


def _week(part: pl.DataFrame) -> dict[str, Any]:
    """Return one way's chances by weekday and hour; null where a clock change leaves an hour out."""
    chance: list[list[float | None]] = [[None] * len(HOURS) for _ in range(_DAYS)]
    for weekday, hour, value in part.select("weekday", "hour", "chance").iter_rows():
        chance[weekday][hour - HOURS[0]] = value
    best = part.sort("chance", "at", descending=[True, False]).head(_BEST)
    return part.select("channel", "contact_point", "point_kind", "consent").row(0, named=True) | {
        "chance": chance,
        "best": [_hour(row) for row in best.to_dicts()],
    }


def _hour(row: Mapping[str, Any]) -> dict[str, Any]:
    at: datetime = row["at"]
    return {name: row[name] for name in ("channel", "point_kind", "weekday", "hour", "chance")} | {"at": at}
