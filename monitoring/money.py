"""Expected against received cash, vintage by vintage, and why they differ.

A vintage is the loans that came to us in one month; both sides are cash within the same number of months
of each loan's arrival, as many as the whole vintage has lived through. The reference is the vintages that
the model learnt from, at the same age.

Let owed money be split into segments s, with shares w of what is owed, expected rates e and received rates
r; with a zero for the reference. Then, for each unit owed,

    received - plan  =  mix                  +  foreseen           +  behaviour                       +  model
    Σw r   - Σw⁰e⁰   =  Σ(w - w⁰) e⁰         +  Σw (e - e⁰)        +  Σw [(r - r⁰) - (e - e⁰)]        +  Σw (r⁰ - e⁰)

which is an identity: every term but the two ends appears once with each sign. It is the decomposition of a
difference of rates into composition and rates (Kitagawa 1955, doi:10.1080/01621459.1955.10501299), with the
rates' part split by what the model expected, now and then:

* *plan* is what the reference led us to expect of any loan;
* *mix*: loans of other segments came;
* *foreseen*: loans of the same segments are expected to pay otherwise, as the model sees in their inputs;
* *behaviour*: they paid otherwise than loans like them used to, beyond what the model foresaw;
* *model*: the model was as wrong about loans like them before.

``plan + mix + foreseen`` is what the model expects of these very loans, so that what it missed is
``behaviour + model``.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial

import polars as pl

from features.lake import Lake
from monitoring.alerts import MONEY
from monitoring.drift import Finding
from monitoring.thresholds import Money
from monitoring.windows import Window
from training.package import ModelPackage

_DAY = timedelta(days=1)
_MOST_MONTHS = 60
_YEAR = 12


@dataclass(frozen=True)
class Causes:
    """Money (currency) from the plan to what came in; see the module."""

    plan: float
    mix: float
    foreseen: float
    behaviour: float
    model: float

    @property
    def expected(self) -> float:
        """What the model expects of these loans."""
        return self.plan + self.mix + self.foreseen

    @property
    def received(self) -> float:
        """What came in."""
        return self.expected + self.behaviour + self.model


@dataclass(frozen=True)
class Vintage:
    """The loans that came in one month.

    Attributes
    ----------
    start, end : datetime
    loans : int
    owed : float
        At arrival (currency).
    months : int
        Age at which cash is compared; 0 when the vintage is too young.
    estimated_year : float
        Cash expected within twelve months of arrival, known at once (currency).
    realised_year : float, optional
        What came in within them, once the vintage has lived through them (currency).
    causes : Causes, optional
    finding : Finding, optional
        Whether debtors behave otherwise than chance explains: the share of the expected cash.
    """

    start: datetime
    end: datetime
    loans: int
    owed: float
    months: int
    estimated_year: float
    realised_year: float | None
    causes: Causes | None
    finding: Finding | None

    def to_json(self) -> dict[str, object]:
        """Return plain values, with what follows from them."""
        sums = {"expected": self.causes.expected, "received": self.causes.received} if self.causes else {}
        return asdict(self) | sums


def causes(now: pl.DataFrame, reference: pl.DataFrame) -> Causes:
    """Split the difference between plan and cash.

    Parameters
    ----------
    now, reference : polars.DataFrame
        A row a loan: ``segment``; ``owed``, ``expected`` and ``received`` (currency).

    Examples
    --------
    Twice as many bad loans as there used to be, each as good as its like:

    >>> before = pl.DataFrame({"segment": ["good", "good", "bad"], "owed": 100.0,
    ...                        "expected": [20.0, 20.0, 5.0], "received": [20.0, 20.0, 5.0]})
    >>> now = before[[0, 2, 2]]
    >>> causes(now, before)
    Causes(plan=45.0, mix=-15.0, foreseen=0.0, behaviour=0.0, model=0.0)
    """
    whole = reference.select(
        e0=pl.col("expected").sum() / pl.col("owed").sum(), r0=pl.col("received").sum() / pl.col("owed").sum()
    )
    usual_expected, usual_received = whole.row(0)
    like = reference.group_by("segment").agg(
        e0=pl.col("expected").sum() / pl.col("owed").sum(), r0=pl.col("received").sum() / pl.col("owed").sum()
    )
    # a segment that the reference does not have is expected to be as the whole of it
    rows = now.join(like, on="segment", how="left").with_columns(
        pl.col("e0").fill_null(usual_expected), pl.col("r0").fill_null(usual_received)
    )
    money = rows.select(
        "expected", "received", before=pl.col("owed") * pl.col("e0"), paid_before=pl.col("owed") * pl.col("r0")
    ).sum()
    expected, received, before, paid_before = money.row(0)
    plan = usual_expected * now["owed"].sum()
    return Causes(
        plan=plan,
        mix=before - plan,
        foreseen=expected - before,
        behaviour=(received - paid_before) - (expected - before),
        model=paid_before - before,
    )


def vintages(lake: Lake, package: ModelPackage, window: Window, until: datetime, rule: Money) -> list[Vintage]:
    """Return the vintages that came after the model was trained, the oldest first.

    Parameters
    ----------
    lake : Lake
        Whose payments are read.
    package : ModelPackage
        A recovery model.
    window : Window
        Loans at their arrival: those it was trained on, and the chunks since.
    until : datetime
        Payments known by then count (UTC).
    rule : Money
    """
    payments = lake.scan("payments", package.card.source).filter(pl.col("known_at") <= until)
    cash = payments.filter(pl.col("kind") != "cumulative_recovery").select("loan_id", "paid_at", "amount").collect()
    if cash.is_empty():
        return []
    compare = partial(_compared, package=package, cash=cash, by=rule.by)
    as_of = datetime.fromisoformat(package.card.as_of)
    found, references = [], {}
    for chunk in window.chunks:
        months = _lived(chunk.end, until)
        split = finding = None
        if months and not chunk.frame.is_empty():
            if months not in references:
                lived = window.reference.filter(pl.col("moment").dt.offset_by(f"{months}mo") <= as_of)
                references[months] = compare(lived, months=months)
            split = causes(compare(chunk.frame, months=months), references[months])
            finding = _judged(split, references[months], rule)
        owed, in_a_year, came = compare(chunk.frame, months=_YEAR).select("owed", "expected", "received").sum().row(0)
        came = came if months >= _YEAR else None
        found.append(
            Vintage(chunk.start, chunk.end, chunk.frame.height, owed, months, in_a_year, came, split, finding)
        )  # fmt: skip
    return found


def _lived(end: datetime, until: datetime) -> int:
    """Return how many whole months a vintage has lived through; the last day counts once it has begun."""
    months = (until + _DAY).year * 12 + (until + _DAY).month - end.year * 12 - end.month
    return min(max(months, 0), _MOST_MONTHS)


def _compared(frame: pl.DataFrame, *, package: ModelPackage, cash: pl.DataFrame, by: str, months: int) -> pl.DataFrame:
    """Return what `causes` takes, and each loan's ``vintage``."""
    asked = frame.with_columns(horizon_months=pl.lit(float(months)))
    rates = package.scores(asked, threads=2) if frame.height else None
    moments = frame.select("loan_id", "moment", last=pl.col("moment").dt.offset_by(f"{months}mo"))
    came = moments.join(cash, on="loan_id").filter(pl.col("paid_at").is_between("moment", "last", closed="right"))
    received = came.group_by("loan_id").agg(received=pl.col("amount").sum())
    return frame.select(
        "loan_id", "owed", segment=pl.col(by).cast(pl.String), vintage=pl.col("moment").dt.truncate("1mo"),
        expected=pl.col("owed") * pl.Series(rates, dtype=pl.Float64),
    ).join(received, on="loan_id", how="left", maintain_order="left").with_columns(
        pl.min_horizontal(pl.col("received").fill_null(0.0), "owed")
    )  # fmt: skip


def _judged(split: Causes, reference: pl.DataFrame, rule: Money) -> Finding | None:
    """Return whether behaviour strays farther than in all but a few of the reference's own vintages."""
    usual = [_stray(causes(vintage, reference)) for vintage in reference.partition_by("vintage")]
    allowed = int(rule.false_alarms * (len(usual) + 1))
    if not allowed or split.expected <= 0:
        return None
    value, threshold = _stray(split), max(sorted(usual)[-allowed], rule.least)
    p = (1 + sum(other >= value for other in usual)) / (len(usual) + 1)
    return Finding("cash", MONEY, "behaviour over expected", value, threshold, p, value > threshold)


def _stray(split: Causes) -> float:
    return abs(split.behaviour) / max(split.expected, 1e-9)
