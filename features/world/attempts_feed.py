"""The ``contacts`` feed: what the attempts looked like to those who logged them."""

import numpy as np
import polars as pl

from features.world import parameters as p
from features.world.clock import Clock, instants
from features.world.contacts import Attempts
from features.world.effects import Drive
from features.world.loans import Debts, loan_ids, numbered
from features.world.policy import Placement
from features.world.traits import Traits

_REFUSED = 0.15  # share of conversations without a promise that end in a refusal
_WRONG_PARTY, _WRONG_PARTY_SHARED = 0.08, 0.25  # of the calls and visits that miss the debtor
_OUTCOMES = ("promise", "refused", "right_party", "bounced", "delivered", "wrong_party",
             "no_answer")  # fmt: skip
_UNUSED = {  # for sources that log one row a debtor
    "prior_attempts": pl.Float64,
    "prior_campaign_attempts": pl.Float64,
    "prior_outcome": pl.String,
    "days_since_prior": pl.Float64,
}
_POINTS = ("phone", "phone_alt", "email", "address")
_POINT_KINDS = ("mobile", "landline", "email", "address")


def feed(
    attempts: Attempts,
    traits: Traits,
    debts: Debts,
    placement: Placement,
    drives: Drive,
    people: pl.DataFrame,
    settled: np.ndarray,
    clock: Clock,
    lags: np.random.Generator,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The feed as known by ``until``, and the hidden side of the same attempts.

    ``people`` has the first ``borrowers`` row of each borrower; ``settled`` the second (UTC) at
    which each loan was settled. Nobody is tried after that.
    """
    known = attempts.at + lags.integers(60, 1800, len(attempts.at))
    shown = (known <= clock.now) & (attempts.at < settled[attempts.loan])
    order = np.flatnonzero(shown)
    order = order[np.lexsort((attempts.loan[order], attempts.at[order]))]
    attempts, known = attempts.where(order), known[order]
    loan, channel = attempts.loan, attempts.channel
    borrower = debts.borrower[loan]
    outcome = _outcome(attempts, traits, borrower)
    point = np.select([attempts.second, channel == p.EMAIL, channel >= p.LETTER], [1, 2, 3], 0)
    kind = np.where((point == 1) | ((point == 0) & ~traits.mobile[borrower]), 1, 0)
    kind = np.where(point >= 2, point, kind)
    cost = np.take(p.COST_TRY, channel) + np.take(p.COST_TALK, channel) * attempts.right_party * (0.5 + attempts.talk)
    offer = drives.share[loan] * debts.balance[loan] * (0.6 + 0.8 * attempts.talk)
    identifier = numbered("attempt_id", "A", np.arange(1, len(loan) + 1))
    blank = pl.DataFrame(schema=_UNUSED).clear(len(loan))
    frame = pl.DataFrame(
        {
            "attempt_id": identifier,
            "borrower_id": people["borrower_id"].gather(borrower),
            "loan_id": loan_ids(debts.first, len(debts)).gather(loan),
            "attempted_at": instants("attempted_at", attempts.at),
            "channel": pl.Series(p.CHANNELS).gather(channel),
            "contact_point": _contact_point(people, borrower, point),
            "point_kind": pl.Series(_POINT_KINDS).gather(kind),
            "outcome": pl.Series(_OUTCOMES).gather(outcome),
            "right_party": attempts.right_party,
            "promised_amount": _only(offer.round(0), attempts.promised),
            "agent": _agent(attempts, placement),
            "agency": pl.Series(p.AGENCIES).gather(placement.agency[loan]),
            "cost": cost.round(3),
            "propensity": attempts.propensity.round(6),
            **blank.to_dict(),
            "known_at": instants("known_at", known),
        }
    )
    hidden = pl.DataFrame(
        {
            "attempt_id": identifier,
            "contact_chance": attempts.chance,
            "payment_chance": attempts.brings,
            "brought_payment": attempts.brought,
        }
    )
    return frame, hidden


def _outcome(attempts: Attempts, traits: Traits, borrower: np.ndarray) -> np.ndarray:
    channel, talk = attempts.channel, attempts.talk
    alive = np.select(
        [channel == p.EMAIL, channel == p.LETTER],
        [traits.email_alive[borrower], traits.address_alive[borrower]],
        traits.phone_alive[borrower],
    )
    message = np.isin(channel, (p.SMS, p.EMAIL, p.LETTER))
    shared = traits.shared_with[borrower] >= 0
    wrong = talk < np.where(shared, _WRONG_PARTY_SHARED, _WRONG_PARTY)
    reached = attempts.right_party
    return np.select(
        [attempts.promised, reached & (talk < _REFUSED), reached, message & ~alive, message, wrong],
        range(6),
        6,
    )


def _contact_point(people: pl.DataFrame, borrower: np.ndarray, point: np.ndarray) -> pl.Series:
    tried = pl.select(
        pl.coalesce(
            pl.when(pl.Series(point == code)).then(people[name].gather(borrower)) for code, name in enumerate(_POINTS)
        )
    )
    return tried.to_series()


def _agent(attempts: Attempts, placement: Placement) -> pl.Series:
    """People have a number in their agency; machines and messages have no agent."""
    agency = pl.Series(p.AGENCIES).gather(placement.agency[attempts.loan])
    number = (attempts.talk * 1e6).astype(np.int64) % p.AGENTS + 1
    name = agency + "-" + pl.Series(number).cast(pl.String).str.zfill(2)
    person = np.isin(attempts.channel, (p.CALL, p.VISIT))
    return pl.select(pl.when(pl.Series(person)).then(name)).to_series()


def _only(values: np.ndarray, known: np.ndarray) -> pl.Series:
    return pl.select(pl.when(pl.Series(known)).then(pl.Series(values))).to_series()
