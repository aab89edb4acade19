"""Who may be worked, how he can be reached, and what was tried before: as known at a moment.

A *case* is a debt, a *way* a debt, a channel and a contact point, a *candidate* a way at an hour.
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from features import asof
from features.feeds.contacts import CHANNELS
from features.marts import timeline
from features.store import FeatureDoor
from serving.dispatch import asked, contact_rules
from serving.dispatch.contact_rules import calendar
from serving.refusals import NoCase
from training.attempt_value import DIFFER

_TELEPHONES = ["phone", "phone_alt"]
_POINTS = {"call": _TELEPHONES, "auto_call": _TELEPHONES, "sms": _TELEPHONES, "email": ["email"],
           "letter": ["address"], "visit": ["address"]}  # fmt: skip
_STANDING = ["jurisdiction", "time_zone", "do_not_contact", "disputed",
             *[f"consent_{name}" for name in CHANNELS if name != "letter"]]  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """Candidates before the law.

    Attributes
    ----------
    ways : polars.DataFrame
        See `ways`.
    lawful : polars.DataFrame
        ``way`` (row of ``ways``) and ``slot`` (UTC).
    refused : polars.DataFrame
        The others with the ``clause`` that refuses them.
    """

    ways: pl.DataFrame
    lawful: pl.DataFrame
    refused: pl.DataFrame

    def refusals(self) -> pl.DataFrame:
        """Return the refused: ``loan_id``, ``channel``, ``contact_point``, ``planned_at`` (UTC) and ``clause``."""
        named = self.ways.with_row_index("way").select("way", "loan_id", "channel", "contact_point")
        rows = self.refused.join(named, on="way", maintain_order="left")
        return rows.select("loan_id", "channel", "contact_point", pl.col("slot").alias("planned_at"), "clause")


def judged(door: FeatureDoor, open_debts: pl.DataFrame, slots: pl.DataFrame, moment: datetime) -> Judged:
    """Put every way of some cases at every hour that its channel works before the contact rules.

    Parameters
    ----------
    door : FeatureDoor
    open_debts : polars.DataFrame
        See `cases`.
    slots : polars.DataFrame
        ``channel`` and ``slot`` (UTC), not before ``moment``.
    moment : datetime
        When what is known was known (UTC).
    """
    people = open_debts["borrower_id"]
    known = points(door, moment, people)
    tokens = pl.concat([known[name] for name in known.columns if name != "borrower_id"])
    attempts = history(door, moment, people, tokens)
    found = ways(open_debts, known, attempts)
    asked_for = found.with_row_index("way").select("way", "channel")
    all_of_them = asked_for.join(slots, on="channel", maintain_order="left").select("way", "slot")
    clause = calendar.judge(found, all_of_them, attempts, contact_rules.load())
    told = all_of_them.with_columns(clause)
    lawful = told.filter(pl.col("clause").is_null()).drop("clause")
    return Judged(found, lawful, told.filter(pl.col("clause").is_not_null()))


def cases(door: FeatureDoor, moment: datetime, loan_id: str | None = None) -> pl.DataFrame:
    """Return the charged-off debts on which something is still owed, in order of ``loan_id``.

    Parameters
    ----------
    door : FeatureDoor
        Refreshed.
    moment : datetime
        Only what was known then counts (UTC).
    loan_id : str, optional
        One debt instead of all.

    Returns
    -------
    polars.DataFrame
        ``loan_id``, ``borrower_id``, ``currency``, ``owed`` (currency), ``months_since_default``,
        ``insolvent``, ``region``, ``credit_grade``, ``legal_status``, ``limitation_at`` (seconds since 1970, UTC) and
        the debtor's standing; null where unknown.

    Raises
    ------
    NoCase
        When no loan was known at the moment.
    """
    loans = timeline.known(door.lake.scan("loans"), "loans")
    if loan_id is not None:
        loans = loans.filter(pl.col("loan_id") == loan_id)
    first = loans.select(pl.col(timeline.KNOWN).min()).collect().item()
    if first is None or first > moment:
        since = "" if first is None else f"; the first became known on {first:%Y-%m-%d}"
        raise NoCase(f"{loan_id or 'no loan'} was {'not ' * bool(loan_id)}known by {moment:%Y-%m-%d}{since}")
    known = loans.filter(pl.col(timeline.KNOWN) <= moment).select("loan_id").unique().sort("loan_id").collect()
    debts = _as_of(door, known.with_columns(moment=pl.lit(moment)), "loan_id", {
        "asset": ["debtor", "currency", "status", "balance", "legal_status", "default_at", "limitation_at",
                  "debt_region", "credit_grade"],
        "financial": ["collected"],
    })  # fmt: skip
    owed = (pl.col("balance") - pl.col("collected").fill_null(0.0)).alias("owed")
    open_debts = (
        debts.with_columns(owed, asked.debt_age(debts["moment"], debts["default_at"]))
        .filter((pl.col("status") == "charged_off") & (pl.col("owed") > 0))
        .join(_settled(door, moment), on="loan_id", how="anti", maintain_order="left")
        .with_columns(insolvent=(pl.col("legal_status") == "insolvency").fill_null(False))
        .rename({"debtor": "borrower_id", "debt_region": "region"})
    )
    standing = _as_of(door, open_debts, "borrower_id", {"customer": [*_STANDING, *DIFFER]})
    flags = [name for name in _STANDING if name not in ("jurisdiction", "time_zone")]
    return standing.with_columns(pl.col(flags).cast(pl.Boolean)).drop(
        "moment", "status", "balance", "collected", "default_at"
    )


def history(door: FeatureDoor, before: datetime, people: pl.Series, points: pl.Series) -> pl.DataFrame:
    """Return attempts made before a moment (UTC) on people or contact points (tokens).

    The law counts an attempt whether its row had reached the lake by then or not.
    """
    mine = pl.col("borrower_id").is_in(people.unique().implode())
    shared = pl.col("contact_point").is_in(points.drop_nulls().unique().implode())
    columns = ["borrower_id", "loan_id", "contact_point", "point_kind", "channel", "agency", "attempted_at",
               "outcome", "right_party"]  # fmt: skip
    contacts = door.lake.scan("contacts").select(columns)
    return contacts.filter((pl.col("attempted_at") < before) & (mine | shared)).collect()


def points(door: FeatureDoor, moment: datetime, people: pl.Series) -> pl.DataFrame:
    """Return each debtor's contact points (tokens) as known at a moment (UTC), null where unknown."""
    names = ["phone", "phone_alt", "email", "address"]
    known = timeline.known(door.lake.scan("borrowers"), "borrowers").filter(
        (pl.col(timeline.KNOWN) <= moment) & pl.col("borrower_id").is_in(people.unique().implode())
    )
    latest = known.sort(timeline.KNOWN, maintain_order=True).group_by("borrower_id")
    return latest.agg(pl.col(names).drop_nulls().last()).collect()


def ways(open_debts: pl.DataFrame, points_known: pl.DataFrame, attempts: pl.DataFrame) -> pl.DataFrame:
    """Return a row per case, channel and contact point, as `contact_rules.calendar.judge` takes them.

    Where none is known there is one row without, for the rules to refuse. A telephone's kind is the one last logged
    for it, a debt's ``agency`` the one that last tried it. No SMS goes to a landline.
    """
    attempts = attempts.sort("attempted_at", maintain_order=True)
    worked = attempts.group_by("loan_id").agg(pl.col("agency").drop_nulls().last())
    reached = open_debts.join(points_known, on="borrower_id", how="left", maintain_order="left")
    reached = reached.join(worked, on="loan_id", how="left", maintain_order="left")
    consents = [name for name in _STANDING if name.startswith("consent_")]
    parts = []
    for channel, names in _POINTS.items():
        consent = pl.col(f"consent_{channel}") if f"consent_{channel}" in consents else pl.lit(None, pl.Boolean)
        parts.append(
            reached.select(
                *[name for name in (*open_debts.columns, "agency") if name not in consents],
                pl.lit(channel).alias("channel"),
                pl.concat_list(names).list.drop_nulls().list.unique(maintain_order=True).alias("contact_point"),
                consent.alias("consent"),
            ).explode("contact_point")
        )
    kinds = attempts.group_by("contact_point").agg(pl.col("point_kind").drop_nulls().last())
    found = pl.concat(parts).join(kinds, on="contact_point", how="left", maintain_order="left")
    fixed = {"email": "email", "letter": "address", "visit": "address"}
    kind = pl.coalesce(pl.col("channel").replace_strict(fixed, default=None), "point_kind", pl.lit("unknown"))
    landline = (pl.col("channel") == "sms") & (pl.col("point_kind") == "landline")
    return found.with_columns(kind.alias("point_kind")).filter(~landline)


def _as_of(door: FeatureDoor, rows: pl.DataFrame, key: str, marts: dict[str, list[str]]) -> pl.DataFrame:
    """Add columns of marts as they were known at each row's ``moment``."""
    tables = [door.known(mart, names) for mart, names in marts.items()]
    found = asof.join(rows.select("moment", key).to_arrow(), "moment", tables)
    return rows.with_columns(pl.DataFrame(found))


def _settled(door: FeatureDoor, moment: datetime) -> pl.DataFrame:
    """Return the loans whose claim a settlement has ended."""
    payments = timeline.known(door.lake.scan("payments"), "payments")
    settled = payments.filter((pl.col("kind") == "settlement") & (pl.col(timeline.KNOWN) <= moment))
    return settled.select("loan_id").unique().collect()
