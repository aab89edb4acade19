"""The training frame, the online row, the stock Feast client and the tape give the same values."""

import math
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from features.errors import RecoupError
from features.home import Home
from features.repository import SERVICES as LISTED
from features.store import FeatureDoor
from tests.features.conftest import NOW
from tests.features.small_world import digest

SERVICES = ["recovery_v1", "contact_v1", "contact_v3"]
REQUEST = {
    "recovery_v1": ["horizon_months_asked"],
    "contact_v1": ["channel_asked", "point_kind_asked"],
    "contact_v3": ["channel_asked", "point_kind_asked"],
}
_ASK_AGAIN = """
import sys
from pathlib import Path
import polars as pl
from features.home import Home
from features.store import FeatureDoor
from tests.features.small_world import digest
door, asked = FeatureDoor(Home(Path(sys.argv[1]))), pl.read_ipc(sys.argv[2])
for service in sys.argv[3:]:
    for frame in (door.frame(service, asked), door.online(service, asked.drop("borrower_id")).frame):
        print(digest(frame))
"""


@pytest.mark.parametrize("service", SERVICES)
def test_online_row_equals_training_row_to_the_bit(filled, asked, service):
    offline = filled.frame(service, asked)
    online = filled.online(service, asked.drop("borrower_id"))
    assert digest(online.frame) == digest(offline)
    assert offline.height == asked.height > 100
    assert online.unknown == [False] * asked.height and online.stale == {}


@pytest.mark.parametrize("service", SERVICES)
def test_frame_has_the_columns_of_the_service_in_its_order(filled, asked, service):
    frame = filled.frame(service, asked)
    assert frame.columns == [column.name for column in filled.columns(service)]
    for column in filled.columns(service):
        expected = pl.String if column.kind == "category" else pl.Float64
        assert frame[column.name].dtype == expected, column
        assert column.kind != "category" or frame[column.name].null_count() == 0, column
    values = frame.select(pl.col(pl.Float64)).unpivot()["value"].drop_nulls()
    assert values.is_finite().all() and len(values) > asked.height


def test_another_hash_seed_gives_the_same_bytes(filled, asked, tmp_path):
    """The tests' own process has one seed, random unless the environment sets it; the child has another."""
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    asked.write_ipc(tmp_path / "asked.arrow")
    answer = subprocess.run(
        [sys.executable, "-c", _ASK_AGAIN, str(filled.home.root), str(tmp_path / "asked.arrow"), *SERVICES],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [digest(filled.frame(service, asked)) for service in SERVICES for _ in ("offline", "online")]
    assert answer.stdout.split() == expected


@pytest.mark.parametrize("service", SERVICES)
def test_stock_feast_client_reads_the_same_values(filled, asked, service):
    from feast import FeatureStore

    stock = FeatureStore(repo_path=str(filled.home.feast))
    ours = filled.online(service, asked.drop("borrower_id"))
    rows = pl.concat(
        [ours.keys, asked.select(*REQUEST[service], moment=pl.col("moment").dt.epoch("us") / 1e6)],
        how="horizontal",
    )
    theirs = stock.get_online_features(
        features=stock.get_feature_service(service), entity_rows=rows.to_dicts()
    ).to_dict()
    for column in filled.columns(service):
        unknown = "missing" if column.kind == "category" else None
        values = [
            unknown if value is None or (isinstance(value, float) and math.isnan(value)) else value
            for value in theirs[column.name]
        ]
        assert values == ours.frame[column.name].to_list(), column


@pytest.mark.parametrize("days_ago", [0, 700])
def test_tape_not_in_the_lake_gets_the_features_it_would_have_in_it(filled, asked, days_ago):
    rows, feeds = on_offer(filled, asked, NOW - timedelta(days=days_ago))
    assert rows.height > 50
    for service in SERVICES:
        inside = filled.frame(service, rows.drop("region", "loan_product"))
        assert digest(filled.tape_frame(service, feeds, rows)) == digest(inside)


def test_region_or_product_that_the_book_has_never_held_has_no_history(filled, asked):
    rows, feeds = on_offer(filled, asked, NOW)
    known = filled.tape_frame("recovery_v1", feeds, rows)
    for key, view in (("region", "region"), ("loan_product", "product")):
        names = LISTED["recovery_v1"][view]
        new = filled.tape_frame("recovery_v1", feeds, rows.with_columns(pl.lit("never held").alias(key)))
        assert all(count < rows.height / 2 for count in known.select(names).null_count().row(0)), key
        assert new.select(names).null_count().row(0) == (rows.height, rows.height)


def on_offer(filled, asked, moment):
    """Return the loans asked about as if they came with a tape, and the tape's feeds."""
    loans = filled.lake.scan("loans").filter(pl.col("known_at") <= moment).collect()
    keys = loans.select("loan_id", "region", loan_product="product")
    rows = asked.join(keys, on="loan_id", maintain_order="left")
    feeds = {feed: filled.lake.scan(feed) for feed in ("loans", "borrowers", "payments", "litigation")}
    return rows.with_columns(moment=pl.lit(moment).cast(pl.Datetime("us", "UTC"))), feeds


def test_missing_value_and_unknown_id_are_told_apart(filled, asked):
    frame = filled.frame("recovery_v1", asked)
    quiet = asked.filter(frame["attempts"].is_null())["loan_id"][0]
    rows = asked.head(2).with_columns(loan_id=pl.Series([quiet, "never seen"])).drop("borrower_id")
    answer = filled.online("recovery_v1", rows)
    assert answer.unknown == [False, True]
    assert answer.frame["attempts"].to_list() == [None, None]
    assert answer.frame["balance"].is_null().to_list() == [False, True]
    assert answer.frame["product"][0] != "missing" and answer.frame["product"][1] == "missing"
    assert {"asset", "financial"} <= answer.known_at[0].keys() and "contact" not in answer.known_at[0]
    assert answer.known_at[1] == {}


def test_unknown_debtor_is_told_from_a_known_one(filled, asked):
    rows = asked.head(2).with_columns(
        borrower_id=pl.Series([asked["borrower_id"][0], "t_" + "0" * 32])
    ).drop("loan_id")  # fmt: skip
    answer = filled.online("contact_v1", rows)
    assert answer.unknown == [False, True]
    assert answer.keys["region"].to_list()[1] == "none"
    assert answer.keys["loan_product"].to_list() == ["none", "none"]


def test_stale_views_are_named_with_the_time_they_stand_at(filled, asked):
    later = asked.with_columns(pl.col("moment") + timedelta(days=40))
    stale = filled.online("recovery_v1", later.drop("borrower_id")).stale
    assert stale.keys() == {"customer", "asset", "financial", "contact"}
    assert all(since.startswith("2025-06-02T03:14:15") for since in stale.values())


def test_online_read_before_materialization_says_what_to_run(home, asked, filled):
    with pytest.raises(RecoupError, match="recoup materialize"):
        FeatureDoor(home).online("recovery_v1", asked.drop("borrower_id"))


def test_online_read_of_applied_but_unfilled_store_says_what_to_run(home, asked, tape):
    door = FeatureDoor(home)
    door.lake.ingest(tape, "canonical")
    door.refresh()
    with pytest.raises(RecoupError, match="never filled: run `recoup materialize`"):
        door.online("recovery_v1", asked.drop("borrower_id"))


def test_frame_of_an_empty_home_says_what_to_run(home, asked):
    door = FeatureDoor(home)
    with pytest.raises(RecoupError, match="recoup ingest"):
        door.frame("recovery_v1", asked)
    with pytest.raises(RecoupError, match="the lake is empty: run `recoup ingest"):
        door.refresh()
    assert not Home(home.root).root.exists()
