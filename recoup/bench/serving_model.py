"""The model that every side of the serving bench serves: 60 inputs of which 10 are categories, 500 trees."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from catboost import CatBoost

from features import services
from features.home import Home
from features.repository import feature
from features.services import ServiceColumn
from features.store import FeatureDoor
from features.world import simulate
from recoup.bench import book
from training import population
from training.card import Card
from training.curve import HorizonCurve
from training.distribution import Distribution
from training.ensemble import MACHINE
from training.leaf_shap import LeafShap
from training.outlook import HORIZONS, ULTIMATE
from training.package import ModelPackage, to_pool

SERVICE = "recovery_v1"
_LOANS, _SEED = 10_000, 1
_INPUTS, _CATEGORIES, _TREES = 60, 10, 500
_FURTHER = ("customer", "marital_status")  # a tenth category, which the service's own model does not ask for
_NEEDED = ("horizon_months", "balance", "collected_share")
_SHARES = [0.03, 0.05, 0.08, 0.1, 0.13, 0.15]
_PARAMETERS = MACHINE | {"random_seed": _SEED}


def home(folder: Path) -> tuple[Home, FeatureDoor]:
    """Return a home with a simulated book in lake and online store."""
    door = book.taken_in(simulate(_LOANS, _SEED, folder / "world").feeds, folder / "home")
    door.refresh()
    door.materialize(datetime.now(UTC))
    return door.home, door


def package(door: FeatureDoor) -> ModelPackage:
    """Return the packaged model, fitted on what the online store holds and rates drawn for it."""
    columns, frame = _inputs(door)
    random = np.random.default_rng(_SEED)
    horizons = np.array([*HORIZONS, ULTIMATE])
    curve = HorizonCurve(horizons, np.array(_SHARES))
    luck = np.exp(0.5 * random.standard_normal(frame.height) + 0.1 * frame["credit_grade"].rank().to_numpy() / 1e3)
    categories = [column.name for column in columns if column.kind == "category"]
    pool = to_pool(frame, categories, np.minimum(luck, 5.0))
    model = CatBoost({"iterations": _TREES, "depth": 6, "loss_function": "RMSE", **_PARAMETERS}).fit(pool)
    upper = {"iterations": 300, "depth": 4, "loss_function": "Quantile:alpha=0.85", "boosting_type": "Plain"}
    spread = CatBoost(upper | _PARAMETERS).fit(pool)
    distribution = Distribution(horizons, curve.shares, np.full(len(horizons), 0.1), np.array([]), np.ones((1, 4)))
    described = [vars(column) for column in columns]
    card = Card(
        "recovery", SERVICE, described, "share", "bench", "", _SEED, "", "", frame.height,
        horizons=list(map(float, HORIZONS)), population=population.describe(frame, described, _SEED),
        curve=curve.to_card(), distribution=distribution.to_card(),
    )  # fmt: skip
    return ModelPackage(model, LeafShap.build(model), card, frame.head(1_000), spread)


def loans(door: FeatureDoor) -> list[str]:
    """Return the ids of the book."""
    return door.lake.scan("loans").select("loan_id").unique(maintain_order=True).collect()["loan_id"].to_list()


def _inputs(door: FeatureDoor) -> tuple[list[ServiceColumn], pl.DataFrame]:
    """Return the model's inputs, and those of every loan at horizons of all lengths."""
    view, name = _FURTHER
    declared = feature(view, name)
    own = list(services.columns(SERVICE))
    categories = [column for column in own if column.kind == "category"]
    categories = [*categories, ServiceColumn(view, name, declared.kind, declared.unit, declared.about)][:_CATEGORIES]
    numbers = [column for column in own if column.kind != "category"]
    numbers.sort(key=lambda column: column.name not in _NEEDED)
    columns = [*numbers[: _INPUTS - len(categories)], *categories]
    asked = pl.DataFrame({"loan_id": loans(door)}).with_row_index("row")
    asked = asked.with_columns(
        pl.lit(datetime.now(UTC)).cast(pl.Datetime("us", "UTC")).alias("moment"),
        pl.col("row").map_elements(lambda row: float([*HORIZONS, ULTIMATE][row % 6]), pl.Float64)
        .alias("horizon_months_asked"),
    ).drop("row")  # fmt: skip
    found = door.online(SERVICE, asked, [":".join(_FURTHER)])
    frame = found.frame.with_columns(found.also[name].fill_null("missing"))
    return columns, frame.select(column.name for column in columns)
