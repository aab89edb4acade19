"""The model package: everything that a score needs, in one folder of safe formats.

``model.cbm`` (CatBoost's native file), ``leaf_shap.npz`` (exact contributions), ``card.json`` (what
the model is, its inputs in order, what it was trained on), ``reference.parquet`` (inputs and scores
that later ones are compared with), ``rows.npz`` (the same model for few rows at a time, without CatBoost), and
for recovery ``spread.cbm`` (how high a loan's recovery may come).
"""

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from catboost import CatBoost, Pool

from features.errors import RecoupError
from training.card import Card
from training.curve import HorizonCurve
from training.distribution import Distribution
from training.leaf_scores import LeafScores
from training.leaf_shap import LeafShap
from training.link import chord, linked
from training.outlook import Outlook
from training.row_model import RowModel

Floats = np.ndarray


@dataclass(frozen=True)
class Explained:
    """Scores with their contributions, in the score's own unit.

    ``base + contributions.sum(axis=1) == scores`` within 1e-9 for every row. The base is what the
    average row scores, at the same horizon.
    """

    scores: Floats
    contributions: Floats
    base: Floats


@dataclass(frozen=True)
class ModelPackage:
    """A model with its explanation table and card."""

    model: CatBoost
    shap: LeafShap
    card: Card
    reference: pl.DataFrame
    spread: CatBoost | None = None

    def save(self, folder: Path) -> None:
        """Write the package."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_model(str(folder / "model.cbm"), format="cbm")
        if self.spread:
            self.spread.save_model(str(folder / "spread.cbm"), format="cbm")
        self.shap.save(folder / "leaf_shap.npz")
        self.reference.write_parquet(folder / "reference.parquet")
        (folder / "card.json").write_text(json.dumps(asdict(self.card), indent=1))
        self.rows.save(folder)

    @classmethod
    def load(cls, folder: Path) -> "ModelPackage":
        """Read a package.

        Raises
        ------
        RecoupError
            When a file is missing or does not belong to the others.
        """
        try:
            model = _read(folder / "model.cbm")
            card = Card(**json.loads((folder / "card.json").read_text()))
            spread = _read(folder / "spread.cbm") if card.distribution else None
            shap = LeafShap.load(folder / "leaf_shap.npz")
            reference = pl.read_parquet(folder / "reference.parquet")
            package = cls(model, shap, card, reference, spread)
            if card.distribution:
                package._distribution, package._curve  # noqa: B018 - read from the card now, or refused
        except Exception as error:
            raise RecoupError(f"{folder}: not a usable model package: {error}") from error
        names = [column["name"] for column in card.columns]
        named = [model.feature_names_, list(shap.feature_names), *([spread.feature_names_] if spread else [])]
        if any(names != others for others in named):
            raise RecoupError(f"{folder}: models, explanation table and card name different inputs")
        return package

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of all that answers come from: trees, splits, category tables, curve and distribution."""
        parts = [_trees(model) for model in (self.model, self.spread) if model]
        parts += [self.card.curve, self.card.distribution]
        parts += [self.card.attempt_value] if self.card.attempt_value else []
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def rows(self) -> RowModel:
        """The model laid out for few rows at a time, for services; see `training.row_layout`."""
        from training.row_layout import row_model

        return row_model(self)

    @property
    def names(self) -> list[str]:
        """Input names in order."""
        return [column["name"] for column in self.card.columns]

    def pool(self, frame: pl.DataFrame) -> Pool:
        """Return model inputs as CatBoost takes them; see `to_pool`."""
        return to_pool(frame.select(self.names), self.card.categories)

    def scores(self, frame: pl.DataFrame, threads: int = 1) -> Floats:
        """Return the scores of model inputs, shape (n,), each in [0, 1]."""
        raw = self.model.predict(self.pool(frame), prediction_type="RawFormulaVal", thread_count=threads)
        return self._linked(raw, self._average(frame))

    def explain(self, frame: pl.DataFrame, threads: int = 1) -> Explained:
        """Return scores with exact contributions, shape (n, features).

        The raw contributions are scaled by the chord of the link between base and score, so that
        they add up in the score's own unit.

        Raises
        ------
        ArithmeticError
            When contributions and base do not add up to the score.
        """
        phi, raw = self.shap.contributions(self.model, self.pool(frame), threads=threads)
        average = self._average(frame)
        scores, base = self._linked(raw, average), self._linked(self.shap.base, average)
        phi *= self._chord(raw, scores, base, average)[:, None]
        gap = np.abs(base + phi.sum(axis=1) - scores)
        if not (gap <= 1e-9).all():
            raise ArithmeticError(f"contributions miss the score by {gap.max():.3g}")
        return Explained(scores, phi, base)

    def reasons(self, frame: pl.DataFrame, count: int, threads: int = 1) -> tuple[np.ndarray, Floats, Floats]:
        """Return the inputs [n, count] that move each score most, how much [n, count], the scores."""
        indices, phi, raw = self.shap.top(self.model, self.pool(frame), count, threads=threads)
        average = self._average(frame)
        scores, base = self._linked(raw, average), self._linked(self.shap.base, average)
        return indices, phi * self._chord(raw, scores, base, average)[:, None], scores

    def outlook(self, frame: pl.DataFrame, threads: int = 1) -> Outlook:
        """Return recovery at every horizon that the model knows, with its spread.

        Parameters
        ----------
        frame : polars.DataFrame, shape (n, features)
            Inputs of a recovery model; ``horizon_months`` is replaced.
        threads : int
        """
        horizons = tuple(self._distribution.horizons.tolist())
        curve = np.column_stack(
            [self.scores(frame.with_columns(pl.lit(h).alias("horizon_months")), threads) for h in horizons]
        )
        return self._distribution.outlook(curve, self._spread(frame, threads))

    def appraise(self, frame: pl.DataFrame, count: int) -> tuple[Outlook, np.ndarray, Floats]:
        """Return the `outlook` of many loans and their ultimate `reasons`, in one walk of the trees.

        Parameters
        ----------
        frame : polars.DataFrame, shape (n, features)
            Inputs of a recovery model at the ultimate horizon, categories without null.
        count : int
            How many reasons.

        Returns
        -------
        outlook : Outlook
        places : ndarray of int, shape (n, count)
            The inputs that move each loan's ultimate recovery most.
        moves : ndarray, shape (n, count)
            How much, as shares of what is owed.
        """
        horizons = self._distribution.horizons
        explained, spread = self._many
        categories = pl.col(self.card.categories)  # once for both, as they take them
        numbers = pl.all().exclude(self.card.categories).cast(pl.Float32).fill_null(np.nan)
        frame = frame.with_columns(categories.cast(pl.Categorical), numbers)
        raw, places, moves = explained.over("horizon_months", horizons, frame, count)
        average = self._curve.at(horizons)
        curve, base = self._linked(raw, average), self._linked(self.shap.base, average)
        moves *= self._chord(raw[:, -1], curve[:, -1], base[-1], average[-1])[:, None]
        spreads, _, _ = spread.over("horizon_months", horizons[-1:], frame, 0)
        return self._distribution.outlook(curve, spreads[:, 0]), places, moves

    def verify(self, frame: pl.DataFrame) -> None:
        """Compare `appraise` with `outlook` and `reasons` on some rows.

        Raises
        ------
        ArithmeticError
            When they differ by more than 1e-12, or name other reasons.
        """
        frame = frame.with_columns(horizon_months=pl.lit(self._distribution.horizons[-1]))
        outlook, places, moves = self.appraise(frame, 3)
        own, (own_places, own_moves, _) = self.outlook(frame), self.reasons(frame, 3)
        pairs = ((outlook.curve, own.curve), (outlook.upper, own.upper), (moves, own_moves))
        gap = max(np.abs(ours - theirs).max() for ours, theirs in pairs)
        if not gap <= 1e-12 or (places != own_places).any():
            raise ArithmeticError(f"one walk of the trees differs by {gap:.3g} from a prediction a horizon")

    @cached_property
    def _many(self) -> tuple[LeafScores, LeafScores]:
        """What walks the trees of model and spread for many loans."""
        return LeafScores.of(self.model, self.shap), LeafScores.unexplained(self._upper)

    @property
    def shapes(self) -> Floats:
        """How ultimate recovery spreads around its expectation, shape (groups, levels).

        Row g holds the quantiles of recovery over expected recovery at the levels
        ``(i + 1/2) / levels``; its mean is 1.
        """
        return self._distribution.shapes

    def interval(self, frame: pl.DataFrame, scores: Floats, threads: int = 1) -> tuple[Floats, Floats]:
        """Return the 90 % interval of recovery at each row's own horizon, within [0, 1].

        Parameters
        ----------
        frame : polars.DataFrame, shape (n, features)
        scores : ndarray, shape (n,)
            Of ``frame``; an interval always holds its own score.
        threads : int
        """
        known = self._distribution.horizons
        place = np.searchsorted(known[:-1], frame["horizon_months"].to_numpy())
        upper = self._distribution.upper(self._spread(frame, threads))[np.arange(frame.height), place]
        return np.zeros_like(scores), np.maximum(upper, scores)

    def _spread(self, frame: pl.DataFrame, threads: int) -> Floats:
        return self._upper.predict(self.pool(frame), thread_count=threads)

    @property
    def _upper(self) -> CatBoost:
        """The spread model, which a recovery model has."""
        if self.spread is None:
            raise RecoupError(f"the {self.card.name} model has no spread: train it again")
        return self.spread

    @cached_property
    def _distribution(self) -> Distribution:
        if not self.card.distribution:
            raise RecoupError(f"the {self.card.name} model has no distribution: train it again")
        return Distribution.from_card(self.card.distribution)

    @cached_property
    def _curve(self) -> HorizonCurve:
        return HorizonCurve.from_card(self.card.curve)

    def _average(self, frame: pl.DataFrame) -> Floats:
        """Return what a raw score of 1 is worth in each row: the average recovery at its horizon."""
        if not self.card.curve:
            return np.ones(frame.height)
        return self._curve.at(frame["horizon_months"].to_numpy())

    def _linked(self, raw: Floats | float, average: Floats) -> Floats:
        return linked(self.card.link, raw, average)

    def _chord(self, raw: Floats, scores: Floats, base: Floats, average: Floats) -> Floats:
        return chord(self.card.link, raw - self.shap.base, scores, base, average)


def _read(path: Path) -> CatBoost:
    model = CatBoost()
    model.load_model(str(path), format="cbm")
    return model


def _trees(model: CatBoost) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        content = json.loads(path.read_text())
    del content["model_info"]  # holds the time and the machine of the fit
    return content


def to_pool(
    frame: pl.DataFrame, categories: list[str], target: Floats | None = None, weight: Floats | None = None
) -> Pool:
    """Return a CatBoost pool of model inputs.

    Parameters
    ----------
    frame : polars.DataFrame, shape (n, features)
        As the door to Feast gives it.
    categories : list of str
        Which columns are categories.
    target, weight : ndarray, shape (n,), optional
        For training.
    """
    if frame.height == 1 and target is None:
        row = [float("nan") if value is None else value for value in frame.row(0)]
        places = [frame.columns.index(name) for name in categories]
        return Pool([row], cat_features=places, feature_names=frame.columns)
    chosen = frame.select(pl.col(categories).cast(pl.Categorical)).to_pandas()
    numbers = frame.select(pl.exclude(categories).cast(pl.Float32))  # what CatBoost makes of them anyway
    columns = dict(zip(numbers.columns, numbers.to_numpy(order="fortran").T, strict=True))
    table = pd.DataFrame({name: columns.get(name, chosen.get(name)) for name in frame.columns}, copy=False)
    return Pool(table, label=target, weight=weight, cat_features=categories)
