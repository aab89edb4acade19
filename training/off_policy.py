"""What another policy would have brought, from attempts logged under this one: doubly robust, with an interval.

For each logged attempt, the other policy's channels are worth what a cross-fitted model foretells; where it
agrees with what was done, the model's error counts by the ratio of both policies' chances (Dudík, Langford and
Li 2011, arXiv:1103.4601). The logged propensities are the policy's own, so that the value is right even where the
model is not. No attempt is worth what attempts that missed were followed by, likewise corrected by the chance to
miss: it rests on the assumption that an attempt that reaches nobody does nothing.

Where the law pauses after a conversation, attempts that were drawn and not made are not logged, and one attempt's
value leaves out those that it displaces: in simulated worlds the gain of a policy that calls first came out lower
than running it brought. Until that is mended, take the interval for the estimate's luck only.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.feeds.contacts import CHANNELS
from training.attempt_value import counted
from training.cross_fit import cross_fitted, kept_apart

_NINETY_FIVE = 1.96


@dataclass(frozen=True)
class PolicyValue:
    """Net cash within 30 days of an attempt (currency), as a mean over attempts.

    Attributes
    ----------
    logged : float
        Under the policy that made them.
    value : float
        Under the other.
    gain, standard_error : float
        Value less logged, and its error; debtors are independent of each other.
    """

    logged: float
    value: float
    gain: float
    standard_error: float

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
        See `logged_attempts.logged`. Cash counts as far as in `attempt_value.counted`.
    frame : polars.DataFrame, shape (n, features)
        See `logged_attempts.features`.
    wanted : ndarray, shape (n, channels)
        Its chance of each of ``CHANNELS``; what is missing to 1 is no attempt. A channel that the logged
        policy never used on such a case must have none.
    seed : int
        Of the models.
    """
    fold, reached = log["fold"].to_numpy(), log["right_party"].to_numpy()
    cash = counted(log)
    net = cash - log["cost"].to_numpy()
    others = [frame.with_columns(channel=pl.lit(name)) for name in CHANNELS]
    foretold = np.column_stack(cross_fitted(frame, net, fold, seed, also=others))
    row, done = np.arange(len(net)), log["channel"].replace_strict(CHANNELS, range(len(CHANNELS))).to_numpy()
    ratio = wanted[row, done] * log["weight"].to_numpy()
    found = (wanted * foretold).sum(axis=1) + ratio * (net - foretold[row, done])
    nothing = 1 - wanted.sum(axis=1)
    if (nothing > 1e-9).any():
        chance = kept_apart(cross_fitted(frame, reached, fold, seed, chance=True)[0])
        usual = cross_fitted(frame, cash, fold, seed, learn=~reached)[0]
        found += nothing * (usual + ~reached / (1 - chance) * (cash - usual))
    gain = pl.DataFrame({"borrower_id": log["borrower_id"], "gain": found - net})
    spread = gain.with_columns(pl.col("gain") - pl.col("gain").mean()).group_by("borrower_id").sum()["gain"].to_numpy()
    error = float(np.sqrt((spread**2).sum()) / len(net))
    return PolicyValue(float(net.mean()), float(found.mean()), float((found - net).mean()), error)
