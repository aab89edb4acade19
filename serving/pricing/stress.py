"""Named stresses, as data: what a portfolio is worth when things go wrong in a stated way."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import Field, TypeAdapter, ValidationError

from features.errors import RecoupError
from serving.pricing import valuation
from serving.pricing.valuation import Assumptions, Channel, Given, Valued

DEFAULT = Path(__file__).parent / "stress.yaml"


class Shift(Given):
    """What happens to a channel."""

    recoveries: float = Field(default=1.0, ge=0)
    later_months: float = Field(default=0.0, ge=0, le=120)
    fee_share: float = Field(default=0.0, ge=0, lt=1)

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
    auctions: Shift = Shift()
    channels: dict[Literal["in_house", "agency", "court"], Shift] = Field(default_factory=dict)
    legal_cost: float = Field(default=1.0, ge=0)

    def applied(self, given: Assumptions) -> Assumptions:
        """Return assumptions under the stress."""
        shifted: dict[str, Channel] = {
            name: shift.of(getattr(given.channels, name)) for name, shift in self.channels.items()
        }
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


def stressed(stresses: dict[str, Stress], valued: Valued, owed: np.ndarray,
             given: Assumptions) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Value a portfolio in one currency under each stress, beside the base.

    Parameters
    ----------
    stresses : dict of str to Stress
    valued : Valued
        Its n loans, as assumed.
    owed : ndarray, shape (n,)
    given : Assumptions

    Returns
    -------
    dict
        By name, ``base`` first: ``about``, ``expected_recovery``, ``npv`` and ``price`` of the
        portfolio, and ``price_change`` as a share of the base's price.
    """
    base = _worth(Stress(about="as assumed"), valued, owed, given)
    answers = {"base": base | {"price_change": 0.0}}
    for name, stress in stresses.items():
        worth = _worth(stress, valued, owed, given)
        answers[name] = worth | {"price_change": worth["price"] / base["price"] - 1 if base["price"] else 0.0}
    return answers


def _worth(stress: Stress, valued: Valued, owed: np.ndarray, given: Assumptions) -> dict[str, Any]:
    given = stress.applied(given)
    come = sum(channel.cash_share for channel in given.channels.every)
    sold = np.zeros_like(valued.curve) if valued.auctioned is None else valued.auctioned
    worth = valuation.present_value(valued.horizons, valued.curve - sold, given)
    later = (1 + given.required_return) ** (-stress.auctions.later_months / 12)
    worth += stress.auctions.recoveries * later * valuation.present_value(valued.horizons, sold, given, sold)
    npv = owed * (worth - given.upfront)
    recovered = come * (valued.curve - sold)[:, -1] + stress.auctions.recoveries * sold[:, -1]
    return {
        "about": stress.about,
        "expected_recovery": float((owed * recovered).sum()),
        "npv": float(npv.sum()),
        "price": float(np.maximum(npv, 0.0).sum()),
    }
