"""What another policy would bring if it were run, from attempts logged under this one: doubly robust, with an interval.

The estimand is the difference that the policy makes to net cash, per attempt that was logged, when it chooses the
channel of every attempt from the first logged one on. It is the sum over the attempts that the policy would meet of
what its choice adds there, followed by the logged policy (the performance difference lemma, Kakade and Langford
2002). What a choice adds is cash within 30 days, less the costs of the attempt and of those made in them: a
cross-fitted model foretells it for each channel, and where the policy agrees with what was done, the model's error
counts by the ratio of both chances (Dudík, Langford and Li 2011, arXiv:1103.4601).

The law's pause after a conversation makes one attempt change the next ones: those drawn in it for a telephone are
not made, nor logged. There only the channels that are left count, by their ratio alone; and an attempt weighs as
often as the policy would come to it, by the ratios of the attempts of the week before (per-decision weights, Precup,
Sutton and Singh 2000). No attempt is worth what attempts that missed were followed by, corrected by the chance to
miss: it rests on the assumption that an attempt that reaches nobody does nothing.

Biased on purpose: cash counts up to a limit (`attempt_effect.counted`), so that a few settlements do not drown the
rest, and what an attempt does after 30 days is left out. Weights are not clipped: a policy so far from the logged
one that few attempts make the estimate is refused.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.errors import RecoupError
from features.feeds.contacts import CHANNELS
from training.attempt_effect import counted
from training.cross_fit import cross_fitted, kept_apart
from training.logged_attempts import WINDOW

_PAUSE = 7 * 86_400
"""Seconds after a conversation in which nobody is telephoned (12 CFR 1006.14(b)(2))."""
_SPOKEN = ("call", "auto_call", "visit")
_NINETY_FIVE = 1.96
_LEAST = 0.1
"""Share of the attempts that the estimate must rest on: below, its error cannot be told."""


@dataclass(frozen=True)
class PolicyValue:
    """Net cash within 30 days of an attempt (currency), as a mean over attempts.

    Attributes
    ----------
    logged : float
        Under the policy that made them.
    value : float
        Under the other: what was logged, and the gain.
    gain, standard_error : float
        What the other policy adds, and its error; debtors are independent of each other.
    effective : float
        How many equally weighted attempts the estimate rests on (Kish).
    """

    logged: float
    value: float
    gain: float
    standard_error: float
    effective: float

    @property
    def interval(self) -> tuple[float, float]:
        """The gain's 95 % interval."""
        reach = _NINETY_FIVE * self.standard_error
        return self.gain - reach, self.gain + reach


def value(log: pl.DataFrame, frame: pl.DataFrame, wanted: np.ndarray, seed: int) -> PolicyValue:
    """Return the value of a policy that chooses the channel of each logged attempt anew.

    Parameters
    ----------
    log : polars.DataFrame, n rows
        See `logged_attempts.logged`. Cash counts as far as in `attempt_effect.counted`.
    frame : polars.DataFrame, shape (n, features)
        See `logged_attempts.features`.
    wanted : ndarray, shape (n, channels)
        Its chance of each of ``CHANNELS``; what is missing to 1 is no attempt. A channel that the logged
        policy never used on such a case must have none.
    seed : int
        Of the models.

    Raises
    ------
    RecoupError
        When the log tells too little of such a policy.
    """
    fold, reached = log["fold"].to_numpy(), log["right_party"].to_numpy()
    near = _Near.to(log)
    paused = near.before(reached & log["channel"].is_in(_SPOKEN).to_numpy()) > 0
    frame = frame.with_columns(paused=pl.Series(paused, dtype=pl.Float64))
    row, done = np.arange(log.height), log["channel"].replace_strict(CHANNELS, range(len(CHANNELS))).to_numpy()
    ratio = wanted[row, done] * log["weight"].to_numpy()
    nothing = 1 - wanted.sum(axis=1)
    missed = ~reached / (1 - kept_apart(cross_fitted(frame, reached, fold, seed, chance=True)[0]))
    agreed = np.where(paused, 1.0, ratio + nothing * missed)
    met = near.product_before(agreed)
    effective = _effective(met * np.where(paused, ratio, agreed))

    left = counted(log) - near.after(log["cost"].to_numpy())
    net = left - log["cost"].to_numpy()
    others = [frame.with_columns(channel=pl.lit(name)) for name in CHANNELS]
    foretold = np.column_stack(cross_fitted(frame, net, fold, seed, learn=~paused, also=others))
    usual = cross_fitted(frame, left, fold, seed, learn=~reached)[0]
    free = (wanted * foretold).sum(axis=1) + ratio * (net - foretold[row, done]) - net
    free += nothing * (usual + missed * (left - usual))
    gain = met * np.where(paused, (ratio - 1) * (net - usual), free)
    logged, added = float(net.mean()), float(gain.mean())
    return PolicyValue(logged, logged + added, added, _error(gain, log["borrower_id"]), effective)


@dataclass(frozen=True)
class _Near:
    """The attempts on the same debt near each, as places in ``order``, which is by debt and time.

    Those of the pause before are from ``first`` to ``here``, those of the window after from ``following`` to ``last``.
    """

    order: np.ndarray
    first: np.ndarray
    here: np.ndarray
    following: np.ndarray
    last: np.ndarray

    @classmethod
    def to(cls, log: pl.DataFrame) -> "_Near":
        """Find them for each row."""
        debt, at = log["loan_id"].rank("dense").to_numpy(), log["attempted_at"].dt.epoch("s").to_numpy()
        order = np.lexsort((at, debt))
        moment = (debt.astype(np.int64)[order] << 33) + at[order]  # 33 bits hold any time in seconds
        first, here = (np.searchsorted(moment, moment - gap, "left") for gap in (_PAUSE, 0))
        following, last = (np.searchsorted(moment, moment + gap, "right") for gap in (0, int(WINDOW.total_seconds())))
        return cls(order, first, here, following, last)

    def before(self, values: np.ndarray) -> np.ndarray:
        """Sum values of the attempts before each."""
        return self._sum(values, self.first, self.here)

    def after(self, values: np.ndarray) -> np.ndarray:
        """Sum values of the attempts after each."""
        return self._sum(values, self.following, self.last)

    def product_before(self, values: np.ndarray) -> np.ndarray:
        """Multiply values, not below 0, of the attempts before each."""
        nil = values <= 0
        return np.where(self.before(nil) > 0, 0.0, np.exp(self.before(np.log(np.where(nil, 1.0, values)))))

    def _sum(self, values: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        total = np.concatenate([[0.0], np.cumsum(values[self.order], dtype=float)])
        found = np.empty(len(values))
        found[self.order] = total[end] - total[start]
        return found


def _effective(weight: np.ndarray) -> float:
    """Return how many attempts of equal weight tell as much, if they are enough."""
    squares = (weight**2).sum()
    found = weight.sum() ** 2 / squares if squares > 0 else 0.0
    if found < _LEAST * len(weight):
        raise RecoupError(
            f"the log tells too little of this policy: its {len(weight):,} attempts weigh as much as {found:,.0f}, and "
            f"{_LEAST:.0%} of them are the least; ask about a policy nearer to the logged one"
        )
    return float(found)


def _error(gain: np.ndarray, people: pl.Series) -> float:
    luck = pl.DataFrame({"person": people, "luck": gain - gain.mean()}).group_by("person").sum()["luck"].to_numpy()
    return float(np.sqrt((luck**2).sum()) / len(gain))
