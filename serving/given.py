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
        self._numbers = {place: name for place, name, kind in columns if kind != "category" and name != _HORIZON}
        self._texts = {place: name for place, name, kind in columns if kind == "category"}
        self._names = {*self._numbers.values(), *self._texts.values()}
        self._places = np.array([*self._numbers], np.intp)
        self._row = np.array([ULTIMATE if name == _HORIZON else 0.0 for _, name, _ in columns])

    def inputs(self, features: Mapping[str, float | str | None]) -> Inputs:
        """Return one row of model inputs.

        Parameters
        ----------
        features : dict
            Every input by name, None where unknown; numbers in the units that the model's card tells.

        Raises
        ------
        Unfit
            Naming each input that is missing, is none of the model's, or is text where a number belongs.
        """
        numbers = [features.get(name) for name in self._numbers.values()]
        texts = [features.get(name) for name in self._texts.values()]
        if features.keys() != self._names or str in map(type, numbers) or float in map(type, texts):
            raise Unfit(self._wrong(features))
        row = self._row.copy()
        row[self._places] = [np.nan if value is None else value for value in numbers]
        categories = {place: [str(text or MISSING)] for place, text in zip(self._texts, texts, strict=True)}
        return Inputs(row[None], categories, [{}], [{}])

    def _wrong(self, features: Mapping[str, float | str | None]) -> dict[str, str]:
        """Return by name what is wrong with features."""
        wrong = dict.fromkeys(self._names - features.keys(), "missing: send null where it is unknown")
        wrong |= dict.fromkeys(features.keys() - self._names, "not an input of the model")
        wrong |= {name: "a number or null" for name in self._numbers.values() if type(features.get(name)) is str}
        return wrong | {name: "text or null" for name in self._texts.values() if type(features.get(name)) is float}
