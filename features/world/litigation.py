"""Court cases: filing, judgment, enforcement, and the ``litigation`` feed."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.world import parameters as p
from features.world.clock import DAY, Clock, instants
from features.world.loans import PRIOR, Debts, loan_ids, numbered
from features.world.traits import Traits

AUCTION = {"asset_type": pl.String, "appraised_amount": pl.Float64, "auction_round": pl.Float64,
           "reserve_amount": pl.Float64, "hammer_amount": pl.Float64}  # fmt: skip


@dataclass(frozen=True)
class Cases:
    """One entry a case. Times are months since the loan's cut-off; inf: never."""

    loan: np.ndarray  # index into the debts
    filed: np.ndarray
    judged: np.ndarray
    enforced: np.ndarray  # inf where the case was lost
    closed: np.ndarray


def draw(traits: Traits, debts: Debts, rng: np.random.Generator) -> Cases:
    """Draw who is sued, and the path of each case."""
    loans = len(debts)
    region = traits.region[debts.borrower]
    logit = (
        p.FILING_LOGIT
        + p.FILING_PER_BALANCE * np.log(debts.balance / p.TYPICAL_BALANCE)
        + p.FILING_PER_JOB * debts.working
    )
    least, mean = p.FILING_DELAY
    filed = least + rng.exponential(mean, loans)
    court = np.take([place.court_months for place in p.REGIONS], region)
    court = court * rng.gamma(4.0, 0.25, loans)
    back = rng.random(loans)
    before = (debts.prior == PRIOR.index("filed")) | (debts.prior == PRIOR.index("judgment"))
    judged_before = debts.prior == PRIOR.index("judgment")
    # a case of the seller's began after the default and stands at the stage on the tape
    filed = np.where(before, -back * np.minimum(0.8 * debts.age, 8.0), filed)
    judged = np.where(before, np.maximum(filed + court, 0.3), filed + court)
    judged = np.where(judged_before, -0.05 - back * 0.4 * debts.age, judged)
    filed = np.where(judged_before, np.maximum(judged - court, -0.9 * debts.age), filed)
    won = (rng.random(loans) < p.JUDGMENT_WON) | judged_before
    soonest, extra = p.ENFORCEMENT_DELAY
    enforced = np.where(won, judged + soonest + rng.exponential(extra, loans), np.inf)
    closed = np.where(won, enforced + p.ENFORCEMENT_MONTHS, judged + 0.2)
    sued = (rng.random(loans) < 1 / (1 + np.exp(-logit))) & (filed < debts.limitation)
    sued &= debts.prior == PRIOR.index("none")
    loan = np.flatnonzero(before | sued)
    return Cases(loan, filed[loan], judged[loan], enforced[loan], closed[loan])


def enforced_part(cases: Cases, loans: int) -> np.ndarray:
    """Part of each month since cut-off (loan x month) that lies under enforcement."""
    month = np.arange(p.HORIZON)
    part = np.zeros((loans, p.HORIZON))
    start, end = cases.enforced[:, None], cases.closed[:, None]
    part[cases.loan] = np.maximum(np.minimum(end, month + 1) - np.maximum(start, month), 0.0)
    return part


def feed(
    cases: Cases,
    debts: Debts,
    region: np.ndarray,
    settled: np.ndarray,
    collected: np.ndarray,
    clock: Clock,
    lags: np.random.Generator,
) -> pl.DataFrame:
    """The ``litigation`` feed: a row for each step that was known by ``until``.

    ``settled`` is the second (UTC) at which each loan was settled, huge where it was not, and
    ``collected`` the cash (USD) brought by enforcement; both have one entry a loan.
    """
    settled = settled[cases.loan]
    claim = debts.balance[cases.loan]
    steps = {"filed": cases.filed, "judgment": cases.judged, "enforcement": cases.enforced}
    moments = {stage: _second(when, cases, debts, clock) for stage, when in steps.items()}
    closed = np.minimum(_second(cases.closed, cases, debts, clock), settled)
    award = np.where(np.isfinite(cases.enforced), (0.97 * claim).round(2), 0.0)
    costs = {stage: np.full(len(claim), cost) for stage, cost in p.COURT_COST.items()}
    costs["filed"] = (costs["filed"] + p.COURT_COST_SHARE * claim).round(2)
    rows = []
    for stage, moment in {**moments, "closed": closed}.items():
        taken = pl.DataFrame(
            {
                "case_id": numbered("case_id", "C", debts.first + cases.loan),
                "loan_id": loan_ids(debts.first, len(debts)).gather(cases.loan),
                "region": pl.Series(p.REGION_CODES).gather(region[cases.loan]),
                "stage": pl.repeat(stage, len(claim), eager=True),
                "moment": moment,
                "lag": lags.integers(DAY, 10 * DAY, len(claim)),
                "claimed_amount": claim,
                "awarded_amount": _only(award, stage == "judgment"),
                "enforced_amount": _only(collected[cases.loan], stage == "closed"),
                "cost": costs[stage],
            }
        )
        before = moment < settled if stage != "closed" else moments["filed"] < settled
        rows.append(taken.filter(pl.Series(before)))
    return _learnt(pl.concat(rows), debts, clock)


def _learnt(rows: pl.DataFrame, debts: Debts, clock: Clock) -> pl.DataFrame:
    moment = rows["moment"].to_numpy()
    loan = rows["case_id"].str.slice(1).cast(pl.Int64).to_numpy() - debts.first
    tape = clock.second(debts.cohort[loan]) + DAY  # the seller's steps come with the tape
    known = np.maximum(moment + rows["lag"].to_numpy(), tape)
    return (
        rows.with_columns(instants("happened_at", moment), instants("known_at", known))
        .filter(pl.Series(known <= clock.now))
        .select(
            "case_id", "loan_id", "region", "stage", "happened_at", "claimed_amount",
            "awarded_amount", "enforced_amount", "cost",
            *[pl.lit(None, kind).alias(name) for name, kind in AUCTION.items()], "known_at",
        )
        .sort("happened_at", "loan_id")
    )  # fmt: skip


def _second(when: np.ndarray, cases: Cases, debts: Debts, clock: Clock) -> np.ndarray:
    far = np.int64(1) << 40
    seconds = clock.second(debts.cohort[cases.loan] + np.minimum(when, 1e3))
    return np.where(np.isfinite(when), seconds, far)


def _only(amount: np.ndarray, wanted: bool) -> pl.Series:
    values = pl.Series(amount, dtype=pl.Float64)
    return values if wanted else pl.repeat(None, len(amount), dtype=pl.Float64, eager=True)
