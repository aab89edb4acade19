"""What the lender wrote down at application: noisy signs of ability and willingness."""

import numpy as np
import polars as pl
from scipy.special import ndtr

from features.world import parameters as p
from features.world.traits import Traits

_VERIFIED = ("not_verified", "source_verified", "verified")
_HOMES = ("RENT", "MORTGAGE", "OWN")
_PURPOSES = ("debt_consolidation", "credit_card", "home_improvement", "medical", "major_purchase",
             "other")  # fmt: skip


def draw(
    traits: Traits, borrower: np.ndarray, product: np.ndarray, rng: np.random.Generator
) -> tuple[dict[str, object], np.ndarray]:
    """Columns of the ``loans`` feed known at application, and the grade's index."""
    loans = len(borrower)
    able, willing = traits.ability[borrower], traits.willingness[borrower]
    quality = 0.50 * able + 0.50 * willing + np.sqrt(0.5) * rng.standard_normal(loans)
    grade = np.searchsorted(np.cumsum(p.GRADE_SHARE)[:-1], ndtr(-quality))  # best first
    stated = traits.income[borrower] * np.exp(0.04 + 0.18 * rng.standard_normal(loans))
    working = np.isin(traits.kind[borrower], (0, 1))
    years = np.minimum(rng.gamma(1.4, 4.0, loans), np.maximum(traits.age[borrower] - 18, 0))
    score = np.clip(655 + 32 * quality + 12 * rng.standard_normal(loans), 480, 840)
    slips = rng.poisson(0.35 * np.exp(-0.35 * willing))
    opened = rng.poisson(9 * np.exp(0.15 * able)) + 1
    record = rng.random(loans) < 0.10
    bankrupt = record & (rng.random(loans) < 0.5)
    used = np.clip(62 - 9 * quality + 20 * rng.standard_normal(loans), 0, 130)
    limits = 14_000 * np.exp(0.35 * able + 0.5 * rng.standard_normal(loans))
    checked = rng.choice(3, loans, p=(0.35, 0.30, 0.35))
    burden = 19 * np.exp(-0.15 * able + 0.4 * rng.standard_normal(loans))
    columns: dict[str, object] = {
        "credit_grade": pl.Series(p.GRADES).gather(grade),
        "credit_sub_grade": pl.Series(p.GRADES).gather(grade) + pl.Series(rng.integers(1, 6, loans)).cast(pl.String),
        "purpose": pl.Series(_PURPOSES).gather(
            np.where(product == 1, 1, rng.choice(6, loans, p=(0.52, 0.1, 0.09, 0.07, 0.08, 0.14)))
        ),
        "policy_exception": rng.random(loans) < 0.03,
        "annual_income": stated.round(-2),
        "income_verification": pl.Series(_VERIFIED).gather(checked),
        "employment_years": _some(np.floor(years), working | (rng.random(loans) < 0.15)),
        "home_ownership": pl.Series(_HOMES).gather(traits.home[borrower]),
        "debt_to_income": np.clip(burden, 0, 60).round(2),
        "credit_score": score.round(0),
        "delinquencies_2y": slips.astype(float),
        "inquiries_6m": rng.poisson(0.8 * np.exp(-0.3 * willing)).astype(float),
        "months_since_delinquency": _some(
            np.where(slips > 0, rng.integers(0, 24, loans), rng.integers(24, 90, loans)),
            (slips > 0) | (rng.random(loans) < 0.35),
        ),
        "months_since_public_record": _some(rng.integers(6, 118, loans), record),
        "open_accounts": opened.astype(float),
        "total_accounts": (opened + rng.poisson(12, loans)).astype(float),
        "public_records": record.astype(float),
        "bankruptcies": bankrupt.astype(float),
        "revolving_balance": (limits * used / 100).round(0),
        "revolving_utilisation": used.round(1),
    }
    return columns, grade


def _some(values: np.ndarray, known: np.ndarray) -> pl.Series:
    """Numbers with those unknown left empty."""
    return pl.select(pl.when(pl.Series(known)).then(pl.Series(values.astype(float)))).to_series()
