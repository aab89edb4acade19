"""What was known of one debtor at a moment: nothing later is ever read, so nothing later can show."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from features import marts, tokens
from features.lake import Lake
from features.marts import MARTS, timeline
from features.marts.columns import MISSING
from serving.refusals import UnknownDebtor

Row = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """What was known of a debtor.

    Attributes
    ----------
    borrower_id : str
        His token.
    moment : datetime
        UTC.
    feeds : dict of str to polars.DataFrame
        The rows of each feed about him and his debts that were known by then, in the order of knowledge.
    """

    borrower_id: str
    moment: datetime
    feeds: dict[str, pl.DataFrame]

    def mart(self, name: str) -> dict[str, Row]:
        """Return a mart's last row of each of its entities, by key; null for unknown."""
        feeds = {feed: self.feeds[feed].lazy() for feed in MARTS[name].FEEDS}
        table = marts.build(name, feeds).group_by(MARTS[name].ENTITY, maintain_order=True).last()
        rows = table.drop(timeline.KNOWN, timeline.LEARNT).to_dicts()
        return {row.pop(MARTS[name].ENTITY): {k: None if v == MISSING else v for k, v in row.items()} for row in rows}


def named(lake: Lake, borrower: str) -> str:
    """Return the token of a debtor who is named by it, or by the number that his creditor gave him.

    Raises
    ------
    RecoupError
        When it is no token of the lake and there is no key to make one.
    """
    rows = lake.scan("loans").filter(pl.col("borrower_id") == borrower).head(1).collect()
    return borrower if rows.height else tokens.tokenise(pl.Series([borrower])).item()


def known(lake: Lake, borrower_id: str, moment: datetime) -> Known:
    """Read what was known of a debtor.

    Parameters
    ----------
    lake : Lake
    borrower_id : str
        His token.
    moment : datetime
        UTC.

    Raises
    ------
    UnknownDebtor
        When nothing was known of him by then.
    """

    def by_then(feed: str) -> pl.LazyFrame:
        return timeline.known(lake.scan(feed), feed).filter(pl.col(timeline.KNOWN) <= moment)

    his = pl.col("borrower_id") == borrower_id
    ever = by_then("loans").filter(his).select("loan_id").collect()["loan_id"].unique().implode()
    loans = by_then("loans").filter(pl.col("loan_id").is_in(ever)).sort(timeline.KNOWN, maintain_order=True)
    # a debt that was moved to somebody else since is not his
    kept = loans.filter(his.last().over("loan_id")).collect()
    owed = pl.col("loan_id").is_in(kept["loan_id"].unique().implode())
    about = {"borrowers": his, "contacts": his, "payments": owed, "litigation": owed}
    feeds = {"loans": kept} | {
        feed: by_then(feed).filter(which).sort(timeline.KNOWN, maintain_order=True).collect()
        for feed, which in about.items()
    }
    if kept.is_empty() and feeds["borrowers"].is_empty():
        raise UnknownDebtor(moment)
    return Known(
        borrower_id, moment, {feed: rows.drop(timeline.KNOWN, timeline.LEARNT) for feed, rows in feeds.items()}
    )
