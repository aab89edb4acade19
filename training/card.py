"""What a model is, as its package tells."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Card:
    """What a model is.

    Attributes
    ----------
    name : str
        ``recovery`` or ``contact``.
    service : str
        The Feast FeatureService that defines the inputs.
    columns : list of dict
        ``name``, ``kind``, ``view``, ``unit``, ``about`` of each input, in order.
    link : str
        ``share`` (a multiple of the average recovery curve, clipped to [0, 1]) or ``logistic``.
    source, as_of, seed, lake, code
        Data source, last day known (ISO 8601), seed, lake snapshot, code revision.
    horizons : list of float
        Months ahead that the model learnt from; empty for a model without horizons.
    metrics : dict
        Out-of-time metrics of the model and its baselines.
    parameters, population : dict
        Of the fit; range or categories of each input in training.
    curve, distribution : dict
        See `HorizonCurve` and `Distribution`; empty for a model without them.
    extrapolated_beyond : float, optional
        Months ahead beyond which the curve is extrapolated, when no loan has lived to the ultimate.
    coverage : dict of str to float
        Share of 90 % intervals that held out of time, overall and by slice.
    common_factor : dict of str to float
        What loans share; see `training.common_factor.estimate`. Empty for a model without it.
    attempt_value : dict
        What reaching a debtor adds; see `training.attempt_value.AttemptValue`. Empty where unknown.
    level : dict of str to float
        What recent cash moved the curve by; see `training.level`. Empty: nothing did.
    """

    name: str
    service: str
    columns: list[dict[str, Any]]
    link: str
    source: str
    as_of: str
    seed: int
    lake: str
    code: str
    rows: int
    horizons: list[float] = field(default_factory=list)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    population: dict[str, Any] = field(default_factory=dict)
    curve: dict[str, Any] = field(default_factory=dict)
    distribution: dict[str, list[Any]] = field(default_factory=dict)
    extrapolated_beyond: float | None = None
    coverage: dict[str, float] = field(default_factory=dict)
    common_factor: dict[str, float] = field(default_factory=dict)
    attempt_value: dict[str, Any] = field(default_factory=dict)
    level: dict[str, float] = field(default_factory=dict)

    @property
    def categories(self) -> list[str]:
        """Inputs that are categories, in order."""
        return [column["name"] for column in self.columns if column["kind"] == "category"]
