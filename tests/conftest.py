"""Where the tests find real data, and a home of their own."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.home import Home

DATA = Path(os.environ.get("RECOUP_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def _real(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no {name} in {DATA}; point RECOUP_TEST_DATA at the folder that has it")
    return path


@pytest.fixture(scope="session")
def lending_club() -> Path:
    return _real("lending_club_2007_2011h1.csv.gz")


@pytest.fixture(scope="session")
def bank_marketing() -> Path:
    return _real("bank_marketing_2008_2010.csv.gz")


@pytest.fixture(scope="session", autouse=True)
def token_key():
    os.environ["RECOUP_TOKEN_KEY"] = "a key for tests only, 32 chars.."


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.setenv("RECOUP_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.fixture(scope="session")
def worked(tmp_path_factory, token_key) -> Home:
    """A home that has walked the road: simulated feeds, both models, light ones, a filled online store."""
    from features.store import FeatureDoor
    from features.world import simulate
    from tests.light import LIGHT
    from training.train import train

    folder = tmp_path_factory.mktemp("worked")
    home = Home(folder / "home")
    world = simulate(1_500, 5, folder / "world")
    door = FeatureDoor(home)
    for feed, path in world.feeds.items():
        door.lake.ingest(path, "canonical", feed)
    for task in LIGHT.values():
        train(task, home, as_of=datetime(2025, 6, 30, tzinfo=UTC), trials=1, seed=3)
    door.materialize(datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC))
    return home


@pytest.fixture(scope="session")
def another_home(worked, tmp_path_factory):
    """Make copies of the home that has walked the road, without its services and decisions."""

    def copy():
        home = Home(tmp_path_factory.mktemp("another") / "home")
        shutil.copytree(worked.root, home.root, ignore=shutil.ignore_patterns("journal", "bentoml", "releases"))
        return home

    return copy


@pytest.fixture(scope="session")
def tape_on_offer(worked) -> Path:
    return worked.root.parent / "world" / "tape.csv"
