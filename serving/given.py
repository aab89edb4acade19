"""Features that the caller sends, checked against a model's inputs."""

from collections.abc import Mapping

import numpy as np

from features.marts.columns import MISSING
from serving.refusals import Unfit
from serving.scoring import Inputs
from training.outlook import ULTIMATE
from training.row_model import RowModel

_HORIZON = "horizon_months"  # every horizon is answered, whatever is sent


class Given:
    """The inputs of one model as callers send them."""

    def __init__(self, model: RowModel):
        columns = [(place, column["name"], column["kind"]) for place, column in enumerate(model.card.columns)]
        self._count = len(columns)
        self._numbers = [(place, name) for place, name, kind in columns if kind != "category" and name != _HORIZON]
        self._texts = [(place, name) for place, name, kind in columns if kind == "category"]
        self._horizon = [place for place, name, _ in columns if name == _HORIZON]
        self._names = {name for _, name in (*self._numbers, *self._texts)}

    def inputs(self, features: Mapping[str, float | str | None]) -> Inputs:
        """Return a row of model inputs.

        Parameters
        ----------
        features : dict
            Every input by name, None where unknown; numbers in the units that the model's card tells.

        Raises
        ------
        Unfit
            Naming each input that is missing, is none of the model's, or is text where a number belongs.
        """
        wrong = dict.fromkeys(self._names - features.keys(), "missing: send null where it is unknown")
        wrong |= dict.fromkeys(features.keys() - self._names, "not an input of the model")
        wrong |= {name: "a number or null" for _, name in self._numbers if type(features.get(name)) is str}
        wrong |= {name: "text or null" for _, name in self._texts if type(features.get(name)) is float}
        if wrong:
            raise Unfit(wrong)
        numbers = np.zeros(self._count)
        numbers[[place for place, _ in self._numbers]] = [
            np.nan if features[name] is None else features[name] for _, name in self._numbers
        ]
        numbers[self._horizon] = ULTIMATE
        return Inputs(numbers, {place: str(features[name] or MISSING) for place, name in self._texts}, {}, {})
