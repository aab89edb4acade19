"""The hidden side of a world, and questions to it: what a perfect model would know."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from features.world import effects, reach
from features.world import parameters as p
from features.world.effects import Drive
from features.world.loans import Debts
from features.world.policy import Placement
from features.world.traits import Traits


@dataclass(frozen=True)
class Truth:
    """The truth folder, one frame a file.

    Attributes
    ----------
    borrowers : latent traits; ``chance_<channel>`` is the contact chance at an average hour,
        ``level_<channel>`` the same on a number or address that lives.
    loans : latent rates (a month), ``expected_<h>`` and ``realised_<h>``: cumulative share of the
        balance h months after cut-off. ``on_offer`` marks the tape.
    curves : the same by month: ``expected`` and ``realised``, arrays of 60 cumulative shares.
    attempts : for each row of the contacts feed its chance of the right party, and the chance
        that the conversation, once had, brings a payment.
    payments : every payment of the 60 months, known or not, in the columns of the feed.
    market : by region and month the multiple of every cash rate.
    agencies : the multiple of a conversation's effect.
    """

    borrowers: pl.DataFrame
    loans: pl.DataFrame
    curves: pl.DataFrame
    attempts: pl.DataFrame
    payments: pl.DataFrame
    market: pl.DataFrame
    agencies: pl.DataFrame


def tables(
    traits: Traits,
    feed: pl.DataFrame,
    debts: Debts,
    placement: Placement,
    drives: Drive,
    expected: np.ndarray,
    realised: np.ndarray,
) -> dict[str, pl.DataFrame]:
    """The frames ``borrowers``, ``loans`` and ``curves`` of one side of the world.

    ``feed`` is the side's ``loans`` feed, ``expected`` a cumulative share and ``realised``
    cumulative cash (USD), both loan x month.
    """
    shares = {"expected": expected, "realised": realised / debts.balance[:, None]}
    by_horizon: dict[str, np.ndarray] = {}
    for name, table in shares.items():
        by_horizon |= {f"{name}_{months}": table[:, months - 1] for months in p.HORIZONS}
    loans = feed.select("loan_id", "borrower_id", "region", "balance").with_columns(
        on_offer=pl.Series(debts.cohort == p.COHORTS),
        cohort=pl.Series(debts.cohort),
        age_months=pl.Series(debts.age),
        agency=pl.Series(p.AGENCIES).gather(placement.agency),
        payment_rate=pl.Series(drives.payment),
        settlement_rate=pl.Series(drives.settlement),
        legal_rate=pl.Series(drives.legal),
        payment_share=pl.Series(drives.share),
        responsive=pl.Series(drives.responsive),
        realised_cash=pl.Series(realised[:, -1].round(2)),
        **{name: pl.Series(values) for name, values in by_horizon.items()},
    )
    curve = pl.Array(pl.Float64, p.HORIZON)
    curves = feed.select("loan_id").with_columns(pl.Series(name, table, dtype=curve) for name, table in shares.items())
    return {"borrowers": _hidden_borrowers(traits, feed, debts), "loans": loans, "curves": curves}


def _hidden_borrowers(traits: Traits, feed: pl.DataFrame, debts: Debts) -> pl.DataFrame:
    # every borrower has a loan, so that the feed of loans names them all
    chance = traits.level * reach.point_quality(traits)
    named = feed.select("borrower_id", row=pl.Series(debts.borrower)).unique("row").sort("row")
    return named.select("borrower_id").with_columns(
        routine=pl.Series(p.KINDS).gather(traits.kind),
        ability=pl.Series(traits.ability),
        willingness=pl.Series(traits.willingness),
        income=pl.Series(traits.income),
        promising=pl.Series(traits.promising),
        phone_alive=pl.Series(traits.phone_alive),
        has_second=pl.Series(traits.has_second),
        second_alive=pl.Series(traits.second_alive),
        email_alive=pl.Series(traits.email_alive),
        address_alive=pl.Series(traits.address_alive),
        **{f"level_{name}": pl.Series(traits.level[:, code]) for code, name in enumerate(p.CHANNELS)},
        **{f"chance_{name}": pl.Series(chance[:, code]) for code, name in enumerate(p.CHANNELS)},
    )


def load_truth(folder: Path) -> Truth:
    """Read the ``truth`` folder of a simulated world."""
    names = Truth.__dataclass_fields__
    return Truth(**{name: pl.read_parquet(folder / f"{name}.parquet") for name in names})


def contact_chance(truth: Truth, borrowers: pl.DataFrame, channel: str, hour_of_week: np.ndarray | int) -> np.ndarray:
    """Chance of the right party for each row of ``borrowers`` (column ``borrower_id``).

    ``hour_of_week`` is local: 0 is Monday 00:00 to 01:00. Averaged over the contact points that
    the logging policy tries; consent and law are not looked at.
    """
    rows = rows_of(truth.borrowers, borrowers, "borrower_id")
    kind = rows["routine"].replace_strict(p.KINDS, range(len(p.KINDS)), return_dtype=pl.Int64)
    profile = reach.profiles()[kind.to_numpy(), p.CHANNELS.index(channel), hour_of_week]
    return np.asarray(rows[f"chance_{channel}"].to_numpy() * profile)


def attempt_effect(
    truth: Truth,
    loans: pl.DataFrame,
    channel: str,
    hour_of_week: np.ndarray | int,
    month: np.ndarray | int,
) -> np.ndarray:
    """Expected extra cash of one attempt less its cost and commission, USD.

    For each row of ``loans`` (column ``loan_id``), ``month`` months after its cut-off, as if its
    balance were still owed in full. It counts payments within 30 days, not talks of settlement.
    """
    rows = rows_of(truth.loans, loans, "loan_id")
    chance = contact_chance(truth, rows, channel, hour_of_week)
    age = rows["age_months"].to_numpy() + month
    market = market_cash(truth, rows, month)
    added = effects.brings(channel, age, rows["responsive"].to_numpy(), market)
    own = np.zeros(len(age))
    if channel == "auto_call":
        own = own_payments(rows, month, market) * effects.harm(age)
    part = rows["payment_share"].to_numpy() * rows["balance"].to_numpy()
    code = p.CHANNELS.index(channel)
    cost = p.COST_TRY[code] + p.COST_TALK[code] * chance
    return np.asarray(chance * part * (added * (1 - p.COMMISSION) - own) - cost)


def expected_recovery(truth: Truth, loans: pl.DataFrame, horizon: int) -> np.ndarray:
    """Expected cumulative share of the balance at cut-off, ``horizon`` months (1-60) after it."""
    return rows_of(truth.curves, loans, "loan_id")["expected"].arr.get(horizon - 1).to_numpy()


def own_payments(loans: pl.DataFrame, month: np.ndarray | int, market: np.ndarray) -> np.ndarray:
    """Part payments a month that come by themselves, for rows of ``Truth.loans``."""
    fade = effects.fading(loans["age_months"].to_numpy(), np.asarray(month))
    return np.asarray(loans["payment_rate"].to_numpy() * fade * market)


def market_cash(truth: Truth, loans: pl.DataFrame, month: np.ndarray | int) -> np.ndarray:
    """Multiple of every cash rate, for rows of ``Truth.loans``, ``month`` months after their cut-off."""
    wanted = loans.select("region", month=pl.Series(loans["cohort"].to_numpy() + month))
    wanted = wanted.cast({"month": pl.Int64})
    return wanted.join(truth.market, on=["region", "month"], how="left", maintain_order="left")["cash"].to_numpy()


def rows_of(known: pl.DataFrame, asked: pl.DataFrame, key: str) -> pl.DataFrame:
    """The rows of a frame of the truth that ``asked`` names, in its order."""
    found = asked.select(key).join(known, on=key, how="left", maintain_order="left")
    if found.height != asked.height or found[known.columns[-1]].null_count():
        raise ValueError(f"some {key} are not of this world")
    return found
