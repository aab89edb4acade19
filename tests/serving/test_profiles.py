"""The road from a lake to a price on both profiles: the same model, prices and replays, and again once restored."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl
import pytest

from features.backup import backup, restore
from features.home import Home
from features.lake import Lake
from features.postgres import connected
from features.store import FeatureDoor
from recoup.client import Pricing
from serving import bento, server
from serving.journal.verification import verify
from serving.replay import rebuild
from tests import servers
from tests.features.small_world import digest
from tests.light import LIGHT
from tests.serving.journals import kept_in
from training import aliases, registry
from training.aliases import Named
from training.train import train

KEY = "a key for the tests' services"
UNTIL = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
LOANS = ["L0000007", "L0001500"]


@pytest.fixture(scope="module", params=["embedded", "server"])
def profile(request, worked, tmp_path_factory) -> Iterator[Home]:
    """Return a home of the profile, which is chosen: the one that walked the road, or its lake on the servers."""
    if request.param == "embedded":
        yield worked
        return
    home = Home(tmp_path_factory.mktemp("server") / "home")
    shutil.copytree(worked.lake, home.lake)
    with kept_in("postgres"):
        train(LIGHT["recovery"], home, as_of=datetime(2025, 6, 30, tzinfo=UTC), trials=1, seed=3)
        FeatureDoor(home).materialize(UNTIL)
        yield home


@pytest.fixture(scope="module")
def priced(profile):
    """Return what the served Bento answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_API_KEY", KEY)
        tag = bento.build(profile, registry.load(profile, "recovery"))
        with server.running(profile, tag, server.free_port()) as url, Pricing(url, KEY) as client:
            return client.price(LOANS, UNTIL).loans


def scores(home: Home) -> str:
    """Return a digest of every loan's inputs and score."""
    loans = Lake(home).scan("loans").select("loan_id").unique(maintain_order=True).collect()
    rows = loans.with_columns(
        pl.lit(UNTIL).cast(pl.Datetime("us", "UTC")).alias("moment"), horizon_months_asked=pl.lit(60.0)
    )
    package = registry.load(home, "recovery").package
    frame = FeatureDoor(home).online(package.card.service, rows).frame
    return digest(frame.with_columns(score=pl.Series(package.scores(frame))))


def test_both_profiles_come_to_the_same_model_and_scores(profile, worked):
    here = registry.load(profile, "recovery").package.fingerprint, scores(profile)
    with servers.embedded_profile():
        assert here == (registry.load(worked, "recovery").package.fingerprint, scores(worked))


def test_the_aliases_read_without_mlflow_are_those_of_mlflow(profile):
    held = registry.load(profile, "recovery")
    assert aliases.read(profile, "recovery")[registry.CHAMPION] == Named(held.version, held.package.fingerprint)


def test_a_price_that_was_served_replays_to_the_same_bits(profile, priced):
    assert [loan.loan_id for loan in priced] == LOANS
    for loan in priced:
        assert loan.stale == {} and "same to the last bit" in rebuild(profile, loan.decision_id)


def test_a_restored_home_gives_the_same_scores_and_replays(profile, priced, tmp_path):
    """By the steps of docs/operate.md: first the database, then the home; materialized anew."""
    url, dump = os.environ.get("RECOUP_POSTGRES_URL"), tmp_path / "recoup.dump"
    before, lost = scores(profile), tmp_path / "lost"
    if url:
        subprocess.run(["pg_dump", "--format=custom", f"--file={dump}", url], check=True)
    backup(profile, tmp_path / "home.tar")
    profile.root.rename(lost)
    try:
        if url:
            with connected(url) as database:
                database.execute("DROP SCHEMA feast, marts, mlflow, optuna, journal CASCADE")
            subprocess.run(["pg_restore", f"--dbname={url}", dump], check=True)
        restore(profile, tmp_path / "home.tar")
        FeatureDoor(profile).materialize(UNTIL)
        assert scores(profile) == before
        assert "same to the last bit" in rebuild(profile, priced[0].decision_id)
        assert verify(profile).faults == []
    finally:
        shutil.rmtree(profile.root, ignore_errors=True)
        lost.rename(profile.root)
