"""The loans: what is owed since when, and the ``loans`` feed about it."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import ndtr

from features.world import applications
from features.world import parameters as p
from features.world.clock import DAY, MONTH_DAYS, Clock, instants
from features.world.traits import Traits

PRIOR = ("none", "filed", "judgment", "insolvency")
COLLATERAL = {"collateral_type": pl.String, "collateral_value": pl.Float64,
              "collateral_region": pl.String, "prior_claims": pl.Float64}  # fmt: skip
_CARD = p.PRODUCTS.index("credit_card")
_RATE_EXTRA = (0.0, 0.08, 0.04)  # per year on top of the grade's, by product
_TERMS = ((36.0, 60.0), (np.nan, np.nan), (12.0, 24.0))  # months, short and long, by product
_LONG_TERM = 0.35  # share of the longer term


@dataclass(frozen=True)
class Debts:
    """One entry a loan: what drives its cash. Money in USD, times in months."""

    first: int  # number of the first loan; the others follow
    borrower: np.ndarray  # index into the traits
    cohort: np.ndarray  # month of the cut-off
    product: np.ndarray
    grade: np.ndarray
    age: np.ndarray  # months from default to cut-off
    balance: np.ndarray
    prior: np.ndarray  # index into PRIOR
    limitation: np.ndarray  # months from cut-off to the day the claim lapses
    working: np.ndarray  # employment on file

    def __len__(self) -> int:
        return len(self.cohort)


def loan_ids(first: int, count: int) -> pl.Series:
    """Numbers of ``count`` loans from ``first`` on."""
    return numbered("loan_id", "L", np.arange(first, first + count))


def numbered(name: str, prefix: str, numbers: np.ndarray) -> pl.Series:
    """Identifiers: a prefix and seven digits."""
    digits = pl.Series(name, numbers).cast(pl.String).str.zfill(7)
    return (prefix + digits).alias(name)


def borrower_count(loans: int) -> int:
    """Borrowers behind ``loans`` loans when some have two or three."""
    return max(1, round(loans / (1 + 1.2 * p.SEVERAL_LOANS)))


def draw(
    traits: Traits,
    cohort: np.ndarray,
    clock: Clock,
    rng: np.random.Generator,
    *,
    first: int,
    first_borrower: int,
) -> tuple[Debts, pl.DataFrame]:
    """Draw one loan for each entry of ``cohort``; the frame lacks only ``known_at``."""
    loans = len(cohort)
    borrower = _owners(loans, len(traits), rng)
    product = rng.choice(len(p.PRODUCTS), loans, p=p.PRODUCT_SHARE)
    application, grade = applications.draw(traits, borrower, product, rng)
    days = _days_since_default(loans, rng)
    region = traits.region[borrower]
    limit_days = np.rint(np.take([r.limitation_years for r in p.REGIONS], region) * 365.25)
    prior = _prior(days, rng)
    willing = traits.willingness[borrower]
    money, history = _history(product, grade, days, willing, rng)
    history["first_account"] = history["originated"] + rng.gamma(4.0, 1100.0, loans)
    cutoff = clock.day(cohort)
    contract = {name: _dated(cutoff, back) for name, back in history.items()}
    frame = pl.DataFrame(
        {
            "loan_id": loan_ids(first, loans),
            "borrower_id": numbered("borrower_id", "B", first_borrower + borrower),
            "status": pl.repeat("charged_off", loans, eager=True),
            "product": pl.Series(p.PRODUCTS).gather(product),
            "currency": pl.repeat(p.CURRENCY, loans, eager=True),
            "region": pl.Series(p.REGION_CODES).gather(region),
            "cutoff_on": cutoff,
            "originated_on": contract["originated"],
            "default_on": cutoff - days,
            **money,
            "days_past_due": (days + p.DEFAULT_DAYS).astype(float),
            "last_payment_on": contract["last_payment"],
            "legal_status": pl.Series(PRIOR).gather(prior),
            "limitation_on": cutoff + (limit_days - days).astype(np.int64),
            **{name: pl.repeat(None, loans, dtype=kind, eager=True) for name, kind in COLLATERAL.items()},
            **application,
            "oldest_account_on": contract["first_account"],
        }
    )
    debts = Debts(
        first=first,
        borrower=borrower,
        cohort=cohort,
        product=product,
        grade=grade,
        age=days / MONTH_DAYS,
        balance=frame["balance"].to_numpy(),
        prior=prior,
        limitation=(limit_days - days) / MONTH_DAYS,
        working=frame["employment_years"].is_not_null().to_numpy(),
    )
    return debts, frame


def known(cohort: np.ndarray, clock: Clock, lags: np.random.Generator) -> pl.Series:
    """When each row was learnt: 1-3 days after its cut-off, so all of a cohort in one month; the tape's on the day."""
    booked = cohort < p.COHORTS
    midnight = clock.day(cohort).astype("datetime64[s]").astype(np.int64)
    return instants("known_at", midnight + booked * DAY + lags.integers(0, np.where(booked, 2 * DAY, DAY)))


def _owners(loans: int, borrowers: int, rng: np.random.Generator) -> np.ndarray:
    """Every borrower has a loan; the loans left over go to the few with several."""
    several = max(1, round(p.SEVERAL_LOANS * borrowers))
    spare = loans - borrowers
    extra = np.concatenate([np.arange(several), rng.integers(0, several, loans)])[:spare]
    owner = np.concatenate([np.arange(borrowers), extra])
    return rng.permutation(owner)


def _days_since_default(loans: int, rng: np.random.Generator) -> np.ndarray:
    low, high = p.DEBT_AGE
    young = low + rng.exponential(p.DEBT_AGE_YOUNG, loans)
    old = rng.uniform(12.0, high, loans)
    age = np.where(rng.random(loans) < p.DEBT_AGE_OLD_SHARE, old, young)
    return np.rint(np.minimum(age, high) * MONTH_DAYS).astype(np.int64)


def _prior(days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    luck = rng.random(len(days))
    judged = np.where(days > 730, p.JUDGED_BEFORE, 0.0)
    filed = p.INSOLVENT + p.FILED_BEFORE
    return np.select([luck < p.INSOLVENT, luck < filed, luck < filed + judged], [3, 1, 2], 0)


def _history(
    product: np.ndarray,
    grade: np.ndarray,
    days: np.ndarray,
    willing: np.ndarray,
    rng: np.random.Generator,
) -> tuple[dict[str, np.ndarray | pl.Series], dict[str, np.ndarray]]:
    """Amounts of the contract, and days before cut-off of its dates (NaN: never happened)."""
    loans = len(product)
    spread = np.take(p.PRODUCT_AMOUNT_SPREAD, product)
    lent = np.take(p.PRODUCT_AMOUNT, product) * np.exp(spread * rng.standard_normal(loans))
    lent = np.clip(lent, 500, 60_000).round(0)
    rate = np.take(p.GRADE_RATE, grade) + np.take(_RATE_EXTRA, product)
    rate = (rate + rng.uniform(-0.01, 0.01, loans)).round(4)
    long = (rng.random(loans) < _LONG_TERM).astype(np.int64)
    term = np.asarray(_TERMS)[product, long]
    # the willing keep up their contract longer before they stop
    lasting = ndtr(0.35 * willing + 0.94 * rng.standard_normal(loans)) ** 1.6
    paid = np.floor(np.where(product == _CARD, 48.0, term * 0.9) * lasting)
    owed, instalment, interest_paid = _schedule(lent, rate, term, paid)
    past_due = days + p.DEFAULT_DAYS
    interest = owed * rate * np.minimum(past_due, p.CHARGE_OFF_DAYS) / 365
    missed = p.CHARGE_OFF_DAYS / MONTH_DAYS
    fees = np.minimum(p.LATE_FEE * rng.binomial(round(missed), 0.7, loans), 0.08 * owed)

    late = rng.random(loans) < 1 / (1 + np.exp(1.5 - 0.9 * willing))  # paid a part after default
    recent = rng.beta(1.2 * np.exp(0.4 * willing), 1.6) * (past_due - 5)
    last_back = np.where(late, past_due - recent, np.where(paid > 0, past_due + 30.0, np.nan))
    part = (instalment * rng.uniform(0.2, 0.9, loans)).round(2)
    last = np.where(late, part, instalment)
    principal, interest, fees = owed.round(2), interest.round(2), fees.round(2)
    money: dict[str, np.ndarray | pl.Series] = {
        "original_amount": lent,
        "balance": (principal + interest + fees).round(2),
        "principal_balance": principal,
        "interest_balance": interest,
        "fee_balance": fees,
        "last_payment_amount": _known(np.where(np.isnan(last_back), np.nan, last)),
        "interest_rate": rate,
        "term_months": _known(term),
        "instalment": instalment,
        "principal_paid": (lent - principal).round(2),
        "interest_paid": interest_paid.round(2),
        "fees_paid": (np.where(late, part, 0.0) + p.LATE_FEE * rng.poisson(0.02 * paid)).round(2),
    }
    return money, {"originated": past_due + (paid + 1) * MONTH_DAYS, "last_payment": last_back}


def _schedule(
    lent: np.ndarray, rate: np.ndarray, term: np.ndarray, paid: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Principal owed, instalment, interest paid after ``paid`` instalments; cards have no term."""
    monthly = rate / 12
    growth, whole = (1 + monthly) ** paid, (1 + monthly) ** np.nan_to_num(term, nan=1.0)
    card = np.isnan(term)
    owed = np.where(card, lent * 0.99**paid, lent * (whole - growth) / (whole - 1))
    instalment = np.where(card, 0.01 * lent + lent * monthly, lent * monthly * whole / (whole - 1))
    card_interest = lent * monthly * (1 - 0.99**paid) / 0.01
    interest = np.where(card, card_interest, paid * instalment - (lent - owed))
    return owed, instalment.round(2), np.maximum(interest, 0.0)


def _known(values: np.ndarray) -> pl.Series:
    return pl.Series(values).fill_nan(None)


def _dated(cutoff: np.ndarray, back: np.ndarray) -> np.ndarray:
    day = cutoff - np.nan_to_num(np.rint(back)).astype(np.int64)
    return np.where(np.isnan(back), np.datetime64("NaT"), day)
