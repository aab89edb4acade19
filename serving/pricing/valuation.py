"""From recovery rates over time to money: net cash by channel, present value, price, and the return at a price.

Cumulative recovery at the model's horizons is turned into cash between them, which is taken to
arrive evenly and is discounted from the middle of each interval at the required return. Each channel
keeps its fee and passes the rest on after a delay. Boarding and legal cost are paid at purchase, so
that all net cash follows the payment: the present value falls as the rate rises, and the return at a
price is unique.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.errors import RecoupError
from training.outlook import HORIZONS, ULTIMATE, Outlook

DEFAULT = Path(__file__).parent / "assumptions.yaml"
_LOWEST, _HIGHEST = -0.99, 1000.0
"""Returns per year beyond which none is named."""
_OUTLOOK_BY_LOAN = ("curve", "lower", "upper", "shape")
_BY_LOAN = ("expected", "worth", "cost")


class Given(BaseModel):
    """Figures that a person gives; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Channel(Given):
    """A way in which cash comes in: its share of all cash, what it keeps, how late it pays on."""

    cash_share: float = Field(ge=0, le=1)
    fee_share: float = Field(ge=0, lt=1)
    delay_months: float = Field(ge=0, le=120)


class Channels(Given):
    """Who brings the cash in."""

    in_house: Channel
    agency: Channel
    court: Channel

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = sum(channel.cash_share for channel in self.every)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the channels' cash_share add up to {total:g}, not to 1")
        return self

    @property
    def every(self) -> tuple[Channel, ...]:
        """The channels, in order."""
        return self.in_house, self.agency, self.court


class Legal(Given):
    """What going to court costs."""

    filed_share: float = Field(ge=0, le=1)
    cost_share: float = Field(ge=0, lt=1)


class Assumptions(Given):
    """What a price rests on besides the model; see ``assumptions.yaml``."""

    required_return: float = Field(gt=-0.5, lt=10)
    boarding_share: float = Field(ge=0, lt=1)
    legal: Legal
    channels: Channels
    half_recovered_after: float = Field(gt=0)

    @property
    def upfront(self) -> float:
        """Boarding and legal cost, as a share of what is owed."""
        return self.boarding_share + self.legal.filed_share * self.legal.cost_share

    def passed_on(self, rate: float | np.ndarray) -> float | np.ndarray:
        """Return what is left of a unit of cash after fees and delays, discounted at a rate per year."""
        left = [c.cash_share * (1 - c.fee_share) * (1 + rate) ** (-c.delay_months / 12) for c in self.channels.every]
        return sum(left[1:], left[0])


@dataclass(frozen=True)
class Valued:
    """Values of n loans; rates are shares of what is owed, money is in each loan's currency.

    Attributes
    ----------
    outlook : Outlook
        Recovery at every horizon, its spread, and ``shape``. For a model that learnt nothing but the
        ultimate, only that.
    expected : ndarray, shape (n,)
        Expected recovery.
    worth : ndarray, shape (n,)
        Present value of net cash, before what is paid at purchase.
    cost : ndarray, shape (n,)
        What is paid at purchase besides the price.
    horizons : tuple of float, length k
        Months ahead.
    curve : ndarray, shape (n, k)
        Cumulative recovery rate at them: the model's, or the assumed timing of its ultimate.
    auctioned : ndarray, shape (n, k), optional
        What of it the auction of collateral pays: it comes net of its own cost, past all channels.
    """

    outlook: Outlook
    expected: np.ndarray
    worth: np.ndarray
    cost: np.ndarray
    horizons: tuple[float, ...]
    curve: np.ndarray
    auctioned: np.ndarray | None = None

    @property
    def rate(self) -> np.ndarray:
        """Expected ultimate recovery rate, shape (n,)."""
        return self.outlook.rate

    @property
    def npv(self) -> np.ndarray:
        """Present value of net cash, shape (n,)."""
        return self.worth - self.cost

    @property
    def worked(self) -> np.ndarray:
        """Which loans are worth what it costs to work them, shape (n,)."""
        return self.npv > 0

    @property
    def price(self) -> np.ndarray:
        """What to pay, shape (n,): never below zero, since a loan not worth its cost is not worked."""
        return np.maximum(self.npv, 0.0)

    def of(self, held: np.ndarray) -> Self:
        """Return the values of some of the loans: ``held`` is a mask of shape (n,)."""
        rows = {name: getattr(self.outlook, name)[held] for name in _OUTLOOK_BY_LOAN}
        own = {name: getattr(self, name)[held] for name in (*_BY_LOAN, "curve")}
        auctioned = None if self.auctioned is None else self.auctioned[held]
        return replace(self, outlook=replace(self.outlook, **rows), auctioned=auctioned, **own)

    def columns(self) -> dict[str, np.ndarray]:
        """Return the values of each loan under the names that prices are published by."""
        return {
            "recovery_rate": self.rate,
            "recovery_rate_lower": self.outlook.lower[:, -1],
            "recovery_rate_upper": self.outlook.upper[:, -1],
            "expected_recovery": self.expected,
            "npv": self.npv,
            "price": self.price,
        }

    def by_horizon(self) -> dict[str, np.ndarray]:
        """Return rates and intervals at the horizons that the model knows before the ultimate."""
        parts = {"": self.outlook.curve, "_lower": self.outlook.lower, "_upper": self.outlook.upper}
        return {
            f"recovery_rate_{int(months)}m{part}": values[:, place]
            for place, months in enumerate(self.outlook.horizons[:-1])
            for part, values in parts.items()
        }


def joined(parts: Sequence[Valued], executor: Executor) -> Valued:
    """Return the values of unsecured loans, one part after another; large tables are put together side by side."""
    outlooks = [part.outlook for part in parts]
    timed = all(part.curve is part.outlook.curve for part in parts)  # by the model: the same array
    names = _BY_LOAN if timed else (*_BY_LOAN, "curve")
    sides = [(outlooks, name) for name in _OUTLOOK_BY_LOAN] + [(parts, name) for name in names]
    whole = list(executor.map(lambda side: np.concatenate([getattr(part, side[1]) for part in side[0]]), sides))
    rows: dict[str, Any] = dict(zip(_OUTLOOK_BY_LOAN, whole, strict=False))
    own: dict[str, Any] = {"curve": rows["curve"]} | dict(zip(names, whole[len(rows) :], strict=True))
    return replace(parts[0], outlook=replace(parts[0].outlook, **rows), **own)


def assumptions(path: Path | None = None) -> Assumptions:
    """Read assumptions.

    Raises
    ------
    RecoupError
        When the file is missing or a value makes no sense.
    """
    path = path or DEFAULT
    try:
        return Assumptions.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise RecoupError(f"assumptions {path}: {error}") from error


def value(outlook: Outlook, owed: np.ndarray, given: Assumptions, rate: np.ndarray | None = None) -> Valued:
    """Value loans.

    Parameters
    ----------
    outlook : Outlook
        What the model expects of n loans.
    owed : ndarray, shape (n,)
        What each debtor still owes, in the loan's currency.
    given : Assumptions
    rate : ndarray, shape (n,), optional
        Ultimate recovery as it was explained, where that is at hand: the outlook's but for the last bits.
    """
    if rate is not None:
        outlook = replace(outlook, curve=np.column_stack([outlook.curve[:, :-1], rate]))
    horizons, curve = _timed(outlook, given)
    worth = owed * present_value(horizons, curve, given)
    return Valued(outlook, outlook.rate * owed, worth, owed * given.upfront, horizons, curve)


def present_value(horizons: tuple[float, ...], curve: np.ndarray, given: Assumptions,
                  auctioned: np.ndarray | None = None) -> np.ndarray:  # fmt: skip
    """Return the present value of cash after fees per unit owed, before upfront cost, shape (n,).

    Parameters
    ----------
    horizons : tuple of float, length k
        Months ahead.
    curve, auctioned : ndarray, shape (n, k)
        See `Valued`.
    given : Assumptions

    Examples
    --------
    >>> given = assumptions()
    >>> free = given.model_copy(update={"required_return": 0.0})
    >>> present_value((12.0, 24.0), np.array([[0.1, 0.2]]), free).round(4).tolist()
    [0.1537]
    >>> bool(present_value((12.0, 24.0), np.array([[0.1, 0.2]]), given)[0] < 0.1537)
    True
    """
    discount = (1 + given.required_return) ** -_years(horizons)
    through = given.passed_on(given.required_return)
    if auctioned is None:
        return _weighed(_steps(curve), discount) * through
    collected, sold = _cash(curve, auctioned)
    return _weighed(collected, discount) * through + _weighed(sold, discount)


def return_at(price: np.ndarray, owed: np.ndarray, horizons: tuple[float, ...], curve: np.ndarray,
              given: Assumptions, auctioned: np.ndarray | None = None) -> np.ndarray:  # fmt: skip
    """Return the internal rate of return per year of loans bought at a price, shape (n,).

    The root is found by Chandrupatla's method (``scipy.optimize.elementwise.find_root``).

    Parameters
    ----------
    price, owed : ndarray, shape (n,)
        Money, in each loan's currency.
    horizons : tuple of float, length k
    curve, auctioned : ndarray, shape (n, k)
        See `Valued`.
    given : Assumptions
        Costs; the required return is not used.

    Returns
    -------
    ndarray
        NaN where there is no such rate: nothing is paid, nothing comes in, or the rate lies
        outside of -99 % to 100,000 % a year.
    """
    from scipy.optimize import elementwise  # here, since a service that prices does not need it

    collected, sold = _cash(curve, auctioned)
    paid, years = price / owed + given.upfront, _years(horizons)

    def surplus(log_rate: np.ndarray, paid: np.ndarray, *cash: np.ndarray) -> np.ndarray:
        left, worth = given.passed_on(np.expm1(log_rate)), -paid
        for through, past, year in zip(cash[: len(years)], cash[len(years) :], years, strict=True):
            worth = worth + (through * left + past) * np.exp(-log_rate * year)
        return worth

    bracket = (np.full(len(paid), np.log1p(_LOWEST)), np.full(len(paid), np.log1p(_HIGHEST)))
    found = elementwise.find_root(surplus, bracket, args=(paid, *collected.T, *sold.T))
    return np.where(found.success & (paid > 0), np.expm1(found.x), np.nan)


def _cash(curve: np.ndarray, auctioned: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return what comes between horizons through the channels, and what past them."""
    if auctioned is None:
        return _steps(curve), np.zeros_like(curve)
    return _steps(curve - auctioned), _steps(auctioned)


def _weighed(cash: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted sum of each row: a matrix product's last bits depend on the rows beside it."""
    return np.add.reduce(cash * weights, axis=1)


def _steps(cumulative: np.ndarray) -> np.ndarray:
    """Return what each horizon adds to the one before: `numpy.diff` takes longer over one row."""
    steps = cumulative.copy()
    steps[:, 1:] -= cumulative[:, :-1]
    return steps


@lru_cache(maxsize=64)
def _years(horizons: tuple[float, ...]) -> np.ndarray:
    """Return the middle of each interval between horizons (months), in years."""
    ends = np.array(horizons)
    return (ends + np.array((0.0, *horizons[:-1]))) / 24


def _timed(outlook: Outlook, given: Assumptions) -> tuple[tuple[float, ...], np.ndarray]:
    """Return cumulative rates: the model's own, or the assumed timing of a model with one horizon."""
    if len(outlook.horizons) > 1:
        return outlook.horizons, outlook.curve
    horizons = (*HORIZONS, ULTIMATE)
    share = 1 - 0.5 ** (np.array(horizons) / given.half_recovered_after)
    return horizons, np.outer(outlook.rate, share / share[-1])
