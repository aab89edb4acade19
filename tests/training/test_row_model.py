"""Few rows at a time against the batch path: the same bits, whatever the rows hold and however many they are."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import RecoupError
from tests.training.test_leaf_scores import VALUES, pool, table
from tests.training.test_leaf_shap import CATEGORIES, MODELS, tabulated
from training import registry
from training.leaf_scores import LeafScores
from training.row_layout import row_model, row_trees
from training.row_model import RowModel

ROWS = 60


@pytest.mark.parametrize("name", MODELS)
def test_any_model_gives_few_rows_the_bits_of_many(name: str) -> None:
    model, shap = tabulated(name)
    frame = table("numbers" in name)
    levels = {name: [str(level) for level in range(12)] for name in CATEGORIES if name in frame}
    many = LeafScores.of(model, shap)
    trees = row_trees(many, levels, "arrears", VALUES)
    expected, _, _ = many.over("arrears", VALUES, frame, 1)
    frame = frame.with_columns(arrears=pl.lit(VALUES[-1]))
    phi, scores = shap.contributions(model, pool(frame))
    for rows in parts():
        values = list(zip(*frame[rows].iter_rows(), strict=True))
        texts = {place: column for place, column in enumerate(values) if isinstance(column[0], str)}
        numbers = np.array([[np.nan if value is None or isinstance(value, str) else value for value in column]
                            for column in values]).T  # fmt: skip
        leaves = trees.questions.leaves(numbers, texts)
        contributions, raw = trees.explain(leaves)
        assert (contributions == phi[rows]).all() and (raw == scores[rows]).all() and (raw == trees.score(leaves)).all()
        over = trees.over(leaves, raw)
        assert np.abs(over - expected[rows]).max() < 1e-12
        assert (over[:, -1] == raw).all()
        assert (
            np.concatenate([trees.over(leaf[None], raw[row : row + 1]) for row, leaf in enumerate(leaves)]) == over
        ).all()


@pytest.fixture(scope="module", params=["recovery", "contact"])
def packaged(request, worked, tmp_path_factory):
    package = registry.load(worked, request.param).package
    folder = tmp_path_factory.mktemp("package")
    package.save(folder)
    return package, RowModel.load(folder), folder


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_a_packaged_model_gives_few_rows_the_bits_of_many(packaged, seed):
    package, rows, _ = packaged
    frame = disturbed(package.reference.select(package.names), np.random.default_rng(seed), package.card.columns)
    explained = package.explain(frame)
    outlook = package.appraise(frame, 3)[0] if package.spread else None
    together = rows.explain(*rows.inputs(frame.iter_rows(named=True)))
    for part in parts():
        inputs = rows.inputs(frame[part].iter_rows(named=True))
        few = rows.explain(*inputs)
        assert (few.scores == explained.scores[part]).all() and few.base == explained.base[0]
        assert (few.contributions == explained.contributions[part]).all()
        assert (rows.score(*inputs) == few.scores).all()
        if outlook:
            for side in ("curve", "lower", "upper"):
                assert np.abs(getattr(few.outlook, side) - getattr(outlook, side)[part]).max() < 1e-12
                assert (getattr(few.outlook, side) == getattr(together.outlook, side)[part]).all()
            assert (few.outlook.shape == outlook.shape[part]).all() and (few.outlook.rate == few.scores).all()
            assert (np.diff(few.outlook.curve) >= 0).all()


def test_a_package_whose_parts_do_not_fit_is_refused(packaged, tmp_path):
    _, rows, folder = packaged
    broken = shutil.copytree(folder, tmp_path / "broken")
    card = json.loads((broken / "card.json").read_text())
    (broken / "card.json").write_text(json.dumps(card | {"columns": card["columns"][:-1]}))
    with pytest.raises(RecoupError, match="different inputs"):
        RowModel.load(broken)
    (broken / "rows.npz").write_bytes((folder / "rows.npz").read_bytes()[:-2000])
    with pytest.raises(RecoupError, match="not a usable model package"):
        RowModel.load(broken)
    assert rows.fingerprint == RowModel.load(folder).fingerprint


def test_a_layout_that_scores_otherwise_is_refused(packaged):
    package, _, _ = packaged
    text = next(column["name"] for column in package.card.columns if column["kind"] == "category")
    fewer = replace(package, card=replace(package.card, population={text: []}))
    with pytest.raises(ArithmeticError, match="scores otherwise"):
        row_model(fewer)


def parts() -> list[slice]:
    """Return parts of some rows: one, a few, all the rest."""
    ends = [0, 1, 2, 4, 9, 20, ROWS]
    return [slice(*ends_of) for ends_of in pairwise(ends)]


def disturbed(frame: pl.DataFrame, random: np.random.Generator, columns: list[dict]) -> pl.DataFrame:
    """Return some rows with unknown and far-off numbers, and missing and new categories."""
    frame = frame.sample(ROWS, with_replacement=True, seed=int(random.integers(1 << 31)))

    def hit(share: float) -> pl.Series:
        return pl.Series(random.random(ROWS) < share)

    changes = [
        pl.when(hit(0.1)).then(pl.lit("missing")).when(hit(0.1)).then(pl.lit("never seen")).otherwise(column["name"])
        if column["kind"] == "category"
        else pl.when(hit(0.8)).then(pl.col(column["name"]) * pl.Series(random.choice([1.0, -1.0, 0.5, 100.0], ROWS)))
        for column in columns
    ]
    frame = frame.with_columns(change.alias(column["name"]) for change, column in zip(changes, columns, strict=True))
    return frame.with_columns(horizon_months=pl.lit(120.0)) if "horizon_months" in frame.columns else frame
