"""A simulated world: unripe vintages teach what they have lived, and intervals hold what came later."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from features.home import Home
from features.store import FeatureDoor
from features.world import load_truth, simulate
from training import curve_plot, recovery, spread
from training.curve import HorizonCurve
from training.distribution import LEVEL
from training.learner import Learner
from training.package import to_pool

EARLY = datetime(2024, 6, 30, tzinfo=UTC)
UNTIL = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
LIVED = (6, 12, 24, 36)


@pytest.fixture(scope="module")
def door(tmp_path_factory) -> FeatureDoor:
    folder = tmp_path_factory.mktemp("spread")
    door = FeatureDoor(Home(folder / "home"))
    for feed, path in simulate(5_500, 21, folder / "world").feeds.items():
        door.lake.ingest(path, "canonical", feed)
    door.refresh()
    return door


@pytest.fixture(scope="module")
def truth(door) -> pl.DataFrame:
    return load_truth(door.home.root.parent / "world" / "truth").loans


@pytest.fixture(scope="module")
def early(door) -> pl.DataFrame:
    return recovery.rows(door.lake, "canonical", EARLY)


@pytest.fixture(scope="module")
def completed(early, truth) -> pl.DataFrame:
    """The same loans with everything that came later: a row a loan, its shares realised by horizon."""
    return early.select("loan_id").unique().join(truth, on="loan_id").sort("loan_id")


def test_unripe_vintages_teach_the_curve_of_the_completed_ones(early, completed):
    """The sampling error of each share is that of the loans that lived to its horizon, twice over for both sides."""
    curve = HorizonCurve.fit(early)
    assert curve.horizons.tolist() == list(LIVED)
    for horizon, share in zip(LIVED, curve.shares, strict=True):
        realised = completed[f"realised_{horizon}"]
        lived = early.filter(pl.col("horizon_months_asked") == horizon)["entity"].n_unique()
        assert share == pytest.approx(realised.mean(), abs=2 * realised.std() / np.sqrt(lived))


def test_taking_nothing_yet_for_nothing_bends_the_curve_down(early, completed):
    naive = curve_plot.as_if_ripe(early)
    realised = completed["realised_36"]
    assert naive.shares[-1] < realised.mean() - 3 * realised.std() / np.sqrt(completed.height)
    assert naive.shares[-1] < 0.85 * HorizonCurve.fit(early).shares[-1]


def test_the_tail_beyond_what_was_lived_meets_what_came(early, completed):
    """Three vintages in five had lived two years or less: a tenth is their luck."""
    curve = HorizonCurve.fit(early.filter(pl.col("horizon_months_asked") <= 36))
    assert curve.at(np.array([60.0]))[0] == pytest.approx(completed["realised_60"].mean(), rel=0.1)
    assert curve.shares[-1] < 0.96 * completed["realised_60"].mean()


def test_intervals_hold_what_later_loans_brought_at_each_horizon(door, truth, early):
    """1,650 later loans, and as many that calibrate the longest horizon: a standard error of a point together."""
    columns = [vars(column) for column in door.columns(recovery.TASK.service)]
    learner = Learner(recovery.TASK, columns, door.frame(recovery.TASK.service, early), early, seed=7)
    part = np.ones(early.height, bool)
    model, distribution = spread.fit(learner, part, HorizonCurve.fit(early))
    later = recovery.charged_off(door.lake, "canonical", UNTIL).filter(pl.col("cutoff") > EARLY)
    later = later.with_columns(pl.col("cutoff").alias("moment"), pl.lit(120.0).alias("horizon_months_asked"))
    later = later.join(truth, on="loan_id", maintain_order="left")
    categories = [column["name"] for column in columns if column["kind"] == "category"]
    pool = to_pool(door.frame(recovery.TASK.service, later), categories)
    upper = distribution.upper(model.predict(pool))
    assert distribution.horizons.tolist() == [*LIVED, 120]
    for place, horizon in enumerate((*LIVED, 60)):
        held = (later[f"realised_{horizon}"].to_numpy() <= upper[:, place]).mean()
        assert held == pytest.approx(LEVEL, abs=0.03), horizon
