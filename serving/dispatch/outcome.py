"""What came of an attempt: into the contacts feed, and from there into the debtor's features."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from features import renewal
from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from features.mapping import FeedMapping, Mapping
from serving.journal import Journal
from serving.refusals import UnknownLoan
from serving.schemas import OutcomeRequest, OutcomeResponse

FEED = "contacts"
_REACHED = ("right_party", "promise", "refused")
_TOKENS = ["borrower_id", "contact_point"]
"""Identifiers that come as the lake has them."""
_SKEW = timedelta(minutes=1)
"""How far the caller's clock may be ahead of ours."""


class Clash(RecoupError):
    """An attempt's id that stands in the lake with another content."""


class Wrong(RecoupError):
    """An outcome that the feed does not take; ``faults`` says by field why."""

    def __init__(self, faults: dict[str, str]):
        super().__init__("; ".join(f"{field}: {why}" for field, why in faults.items()))
        self.faults = faults


class Outcomes:
    """Outcomes taken into the lake of one home, each once however often it is told."""

    def __init__(self, home: Home):
        self._home, self._lake, self._journal = home, Lake(home), Journal(home)

    def take(self, request: OutcomeRequest) -> OutcomeResponse:
        """Append an attempt to the contacts feed, renew the debtor's features, and journal it.

        The feed's intake names a batch after its content, so the same outcome told again changes nothing, and
        whatever a crash left undone is done then.

        Raises
        ------
        UnknownLoan
            When the lake has no such loan.
        Wrong
            When the feed does not take it, or it is yet to happen.
        Clash
            When the attempt stands in the lake otherwise.
        RecoupError
            When the lake, the online store or the journal cannot be written.
        """
        if request.attempted_at > datetime.now(UTC) + _SKEW:
            raise Wrong({"attempted_at": "is in the future"})
        borrower, source = self._debtor(request.loan_id)
        known_at = self._booked(request, borrower, source)
        renewed = renewal.renew(self._home, "contact", borrower)
        self._journal.append({"kind": "outcome", "subject": request.loan_id, "known_at": known_at.isoformat(),
                              "told": request.model_dump(mode="json")})  # fmt: skip
        return OutcomeResponse(
            attempt_id=request.attempt_id,
            loan_id=request.loan_id,
            known_at=known_at,
            features_known_at=known_at if renewed else None,
        )

    def _debtor(self, loan_id: str) -> tuple[str, str]:
        """Return a loan's debtor and source."""
        loan = self._lake.scan("loans").filter(pl.col("loan_id") == loan_id).select("borrower_id", "source")
        found = loan.collect()
        if found.is_empty():
            raise UnknownLoan(loan_id, 0)
        borrower, source = found.row(-1)
        return borrower, source

    def _booked(self, request: OutcomeRequest, borrower: str, source: str) -> datetime:
        """Take an outcome in, and return when it was learnt."""
        values = request.model_dump(exclude={"decision_id"}) | {
            "borrower_id": borrower,
            "attempted_at": request.attempted_at.astimezone(UTC).replace(tzinfo=None).isoformat(),
            "right_party": request.outcome in _REACHED,
        }
        layout = Mapping(source=source, feeds={FEED: FeedMapping(columns="all", pseudonymous=_TOKENS)})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "outcome.csv"
            pl.DataFrame([values]).write_csv(path)
            batch = self._lake.take_in(path, layout, FEED)
        mine = pl.col("attempt_id") == request.attempt_id
        booked = self._lake.scan(FEED).filter(mine).select("known_at").collect()
        if batch.accepted[FEED]:
            return booked.item()
        if not booked.is_empty():
            raise Clash("this attempt was told otherwise before: an outcome does not change")
        refused = self._lake.rejected(batch.id, FEED).row(0, named=True)
        raise Wrong(dict.fromkeys(refused["field"].split(", "), "the contacts feed does not take it"))
