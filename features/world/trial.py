"""Attempts tried in a world: what they are truly worth, and what they bring when they are made.

A day's plan can be judged twice: by its expectation, which has no luck in it, and by a run, in which
every loan has its own luck whatever is tried on it, so that plans are compared on the same luck.
"""

from datetime import date

import numpy as np
import polars as pl
from scipy.stats import gamma, poisson

from features.world import effects, reach
from features.world import parameters as p
from features.world.clock import Clock, local_hour_of_week
from features.world.simulation import UNTIL
from features.world.truth import Truth, market_cash, own_payments, rows_of

_TELEPHONE = ("call", "auto_call")


def worth(truth: Truth, attempts: pl.DataFrame, *, until: date = UNTIL) -> pl.DataFrame:
    """Add to attempts what is to be expected of them: the values of a planner who knows the truth.

    Parameters
    ----------
    truth : Truth
    attempts : polars.DataFrame
        ``loan_id``, ``channel`` and ``planned_at`` (UTC); with ``second`` (bool) also which of two
        telephones is tried, else the logging policy's mixture. Other columns stay.
    until : date
        Last day of the world's book.

    Returns
    -------
    polars.DataFrame
        With ``true_chance`` of the right party; ``true_added``, what a conversation adds within 30 days
        after commission and own payments that it drives off; ``true_cost`` and ``true_net`` of the
        attempt. Money in USD. Payments that the truth has before an attempt are off the debt; a settled
        debt owes nothing. Consent and law are not looked at.

    Raises
    ------
    ValueError
        If a loan is not of this world.
    """
    facts = _facts(truth, attempts, until)
    part, chance = facts["part"].to_numpy(), facts["chance"].to_numpy()
    added = part * (facts["brings"].to_numpy() * (1 - p.COMMISSION) - facts["lost"].to_numpy())
    cost = facts["try"].to_numpy() + facts["talk"].to_numpy() * chance
    return attempts.with_columns(
        true_chance=facts["chance"],
        true_added=pl.Series(added),
        true_cost=pl.Series(cost),
        true_net=pl.Series(chance * added - cost),
    )


def run(truth: Truth, attempts: pl.DataFrame, seed: int, *, until: date = UNTIL) -> pl.DataFrame:
    """Make the attempts, at most one a loan, and add what came of them.

    Parameters
    ----------
    truth, attempts, until
        As for `worth`.
    seed : int
        Of all luck. A loan's luck hangs on the seed and the loan, not on the other attempts.

    Returns
    -------
    polars.DataFrame
        With ``right_party``, ``brought`` within 30 days after commission, ``driven_off``, ``spent`` and
        ``net`` = brought - driven off - spent (USD). The mean of ``net`` over seeds is ``true_net``.

    Raises
    ------
    ValueError
        If a loan is not of this world, or is tried twice.
    """
    if attempts["loan_id"].is_duplicated().any():
        raise ValueError("a run makes one attempt a loan: run the plan of each day by itself, with a seed of its own")
    facts = _facts(truth, attempts, until)
    places = pl.DataFrame({"loan_id": truth.loans["loan_id"]}).with_row_index("place")
    place = rows_of(places.select("loan_id", "place"), attempts, "loan_id")["place"].to_numpy()
    luck = np.random.default_rng(seed).random((5, places.height))[:, place]
    reached = luck[0] < facts["chance"].to_numpy()
    paid = reached & (luck[1] < facts["brings"].to_numpy())
    lost = np.where(reached, poisson.ppf(luck[2], facts["lost"].to_numpy()), 0.0)
    part, shape = facts["part"].to_numpy(), p.PAYMENT_SHARE_SHAPE
    brought = np.where(paid, part * gamma.ppf(luck[3], shape) / shape, 0.0) * (1 - p.COMMISSION)
    driven_off = np.where(lost > 0, part * gamma.ppf(luck[4], shape * np.maximum(lost, 1)) / shape, 0.0)
    spent = facts["try"].to_numpy() + facts["talk"].to_numpy() * reached
    return attempts.with_columns(
        right_party=pl.Series(reached),
        brought=pl.Series(brought),
        driven_off=pl.Series(driven_off),
        spent=pl.Series(spent),
        net=pl.Series(brought - driven_off - spent),
    )


def _facts(truth: Truth, attempts: pl.DataFrame, until: date) -> pl.DataFrame:
    """Chances, one mean payment (USD), own payments that a conversation drives off, costs, by attempt."""
    loans = rows_of(truth.loans, attempts, "loan_id")
    clock = Clock(until)
    month = clock.month(attempts["planned_at"].dt.epoch("s").to_numpy()) - loans["cohort"].to_numpy()
    age, market = loans["age_months"].to_numpy() + month + 0.5, market_cash(truth, loans, month)
    responsive = loans["responsive"].to_numpy()
    channel = attempts["channel"].to_numpy()
    brings = np.zeros(len(channel))
    for name in p.CHANNELS:
        own = channel == name
        brings[own] = effects.brings(name, age[own], responsive[own], market[own])
    lost = own_payments(loans, month + 0.5, market) * effects.harm(age)
    code = attempts["channel"].replace_strict(p.CHANNELS, range(len(p.CHANNELS)), return_dtype=pl.Int64).to_numpy()
    return pl.DataFrame(
        {
            "chance": _chance(truth, loans, attempts, code),
            "brings": brings,
            "lost": np.where(channel == "auto_call", lost, 0.0),
            "part": loans["payment_share"].to_numpy() * _owed(truth, loans, attempts["planned_at"]),
            "try": np.take(p.COST_TRY, code),
            "talk": np.take(p.COST_TALK, code),
        }
    )


def _chance(truth: Truth, loans: pl.DataFrame, attempts: pl.DataFrame, code: np.ndarray) -> np.ndarray:
    people = rows_of(truth.borrowers, loans, "borrower_id")
    row = np.arange(len(code))
    chance = people.select(f"chance_{name}" for name in p.CHANNELS).to_numpy()[row, code]
    if "second" in attempts.columns:
        level = people.select(f"level_{name}" for name in p.CHANNELS).to_numpy()[row, code]
        living = np.where(attempts["second"], people["second_alive"], people["phone_alive"])
        telephone = attempts["channel"].is_in(_TELEPHONE).to_numpy()
        chance = np.where(telephone, level * reach.alive(living), chance)
    kind = people["routine"].replace_strict(p.KINDS, range(len(p.KINDS)), return_dtype=pl.Int64).to_numpy()
    hour = local_hour_of_week(attempts["planned_at"], loans["region"])
    return np.asarray(chance * reach.profiles()[kind, code, hour])


def _owed(truth: Truth, loans: pl.DataFrame, at: pl.Series) -> np.ndarray:
    paid = truth.payments.sort("paid_at").select(
        "loan_id",
        pl.col("paid_at").cast(at.dtype),
        paid=pl.col("amount").cum_sum().over("loan_id"),
        settled=(pl.col("kind") == "settlement").cum_max().over("loan_id"),
    )
    asked = loans.select("loan_id", "balance", paid_at=at).with_row_index("row").sort("paid_at")
    found = asked.join_asof(paid, on="paid_at", by="loan_id", check_sortedness=False).sort("row")
    owed = (
        pl.when(pl.col("settled").fill_null(False)).then(0.0).otherwise(pl.col("balance") - pl.col("paid").fill_null(0))
    )
    return np.maximum(found.select(owed).to_series().to_numpy(), 0.0)
