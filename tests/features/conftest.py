"""One simulated home that the feature tests read and never write."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from features.store import FeatureDoor
from tests import servers
from tests.features import small_world

NOW = datetime(2025, 6, 2, 3, 14, 15, 926535, tzinfo=UTC)


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> dict[str, pl.DataFrame]:
    return small_world.world_as_text(tmp_path_factory.mktemp("world") / "out", loans=150, seed=3)


@pytest.fixture(scope="session")
def filled(tmp_path_factory, token_key, world) -> Iterator[FeatureDoor]:
    """Return a door with a whole world behind it, online up to `NOW`. Read only."""
    door = small_world.take_in(tmp_path_factory.mktemp("filled") / "home", list(world.items()))
    door.materialize(NOW)
    yield door


@pytest.fixture(scope="session")
def asked(filled) -> pl.DataFrame:
    """Return a question about every loan known at `NOW`, with both services' request columns."""
    known = filled.lake.scan("loans").filter(pl.col("known_at") <= NOW).collect()
    channels = pl.Series("channel_asked", ["call", "sms", "email", "visit"] * known.height)
    return known.select("loan_id", "borrower_id").with_columns(
        pl.lit(NOW).cast(pl.Datetime("us", "UTC")).alias("moment"),
        pl.Series("horizon_months_asked", [float(1 + row % 60) for row in range(known.height)]),
        channels.head(known.height),
        pl.lit("mobile").alias("point_kind_asked"),
    )


@pytest.fixture
def tape(tmp_path) -> Path:
    """Return a canonical tape of three good loans."""
    return small_world.write_csv(tmp_path / "tape.csv", [small_world.loan(number) for number in (1, 2, 3)])


@pytest.fixture
def redis_url() -> str:
    return servers.address("RECOUP_TEST_REDIS")
