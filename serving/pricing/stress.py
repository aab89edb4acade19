"""Named stresses, as data: what a portfolio is worth when things go wrong in a stated way."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import Field, TypeAdapter, ValidationError

from features.errors import RecoupError
from serving.pricing import valuation
from serving.pricing.valuation import Assumptions, Channel, Given

DEFAULT = Path(__file__).parent / "stress.yaml"


class Shift(Given):
    """What happens to a channel."""

    recoveries: float = Field(1.0, ge=0)
    later_months: float = Field(0.0, ge=0, le=120)
    fee_share: float = Field(0.0, ge=0, lt=1)

    def of(self, channel: Channel) -> Channel:
        """Return the channel under stress; its share of the cash expected may no longer add up to all of it."""
        return channel.model_copy(
            update={
                "cash_share": channel.cash_share * self.recoveries,
                "fee_share": min(channel.fee_share + self.fee_share, 1.0),
                "delay_months": channel.delay_months + self.later_months,
            }
        )


class Stress(Given):
    """A stress; see ``stress.yaml``."""

    about: str
    channels: dict[Literal["in_house", "agency", "court"], Shift] = Field(default_factory=dict)
    legal_cost: float = Field(1.0, ge=0)

    def applied(self, given: Assumptions) -> Assumptions:
        """Return assumptions under the stress."""
        shifted = {name: shift.of(getattr(given.channels, name)) for name, shift in self.channels.items()}
        legal = given.legal.model_copy(update={"cost_share": given.legal.cost_share * self.legal_cost})
        return given.model_copy(update={"channels": given.channels.model_copy(update=shifted), "legal": legal})


def read(path: Path | None = None) -> dict[str, Stress]:
    """Read stresses by name.

    Raises
    ------
    RecoupError
        When the file is missing or a value makes no sense.
    """
    path = path or DEFAULT
    try:
        return TypeAdapter(dict[str, Stress]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise RecoupError(f"stresses {path}: {error}") from error


def stressed(stresses: dict[str, Stress], horizons: tuple[float, ...], curve: np.ndarray, owed: np.ndarray,
             given: Assumptions) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Value a portfolio in one currency under each stress, beside the base.

    Parameters
    ----------
    stresses : dict of str to Stress
    horizons : tuple of float, length k
        Months ahead.
    curve : ndarray, shape (n, k)
        Cumulative recovery rates.
    owed : ndarray, shape (n,)
    given : Assumptions

    Returns
    -------
    dict
        By name, ``base`` first: ``about``, ``expected_recovery``, ``npv`` and ``price`` of the
        portfolio, and ``price_change`` as a share of the base's price.
    """
    base = _worth(horizons, curve, owed, given)
    answers = {"base": {"about": "as assumed"} | base | {"price_change": 0.0}}
    for name, stress in stresses.items():
        worth = _worth(horizons, curve, owed, stress.applied(given))
        change = worth["price"] / base["price"] - 1 if base["price"] else 0.0
        answers[name] = {"about": stress.about} | worth | {"price_change": change}
    return answers


def _worth(horizons: tuple[float, ...], curve: np.ndarray, owed: np.ndarray, given: Assumptions) -> dict[str, float]:
    come = sum(channel.cash_share for channel in given.channels.every)
    npv = owed * (valuation.present_value(horizons, curve, given) - given.upfront)
    return {
        "expected_recovery": float(come * (owed * curve[:, -1]).sum()),
        "npv": float(npv.sum()),
        "price": float(np.maximum(npv, 0.0).sum()),
    }
