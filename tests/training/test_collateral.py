"""Auctions as known at a moment: unbiased by those that have not ended, pooled where they are few."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import intake, mapping
from features.errors import RecoupError
from features.lake import Lake
from features.world import simulate
from training import collateral

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EARLY = datetime(2023, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory, token_key):
    return simulate(100, 17, tmp_path_factory.mktemp("auctions") / "world", secured=1)


@pytest.fixture(scope="module")
def litigation(world):
    (rows,) = intake.read_feeds(world.feeds["litigation"], mapping.load("canonical"), "litigation")
    assert rows.rejected.is_empty()
    return rows.accepted.lazy()


@pytest.fixture(scope="module")
def places(world):
    """The planted truth by kind and region, with all kinds and regions as they are auctioned."""
    return pl.read_parquet(world.truth / "auction_places.parquet")


def cells(auctions, places, origin):
    """What was learnt of each kind and region beside the truth."""
    table = auctions.table.filter(pl.col("origin") == origin, pl.col("region") != "")
    both = table.join(places, on=["asset_type", "region"], suffix="_true")
    return both.with_columns(months_true=f"months_from_{origin}", chance_true="sold_true")


@pytest.mark.parametrize("origin", collateral.ORIGINS)
def test_haircuts_times_and_chances_are_the_planted_ones_within_sampling_error(litigation, places, origin):
    auctions = collateral.learn(litigation, NOW)
    both = cells(auctions, places, origin)
    assert both.height == 72
    for name, spread in (("net", 0.25), ("months", 0.42), ("chance", 0.5)):
        off = (both[name] / both[f"{name}_true"] - 1).to_numpy()
        error = spread / np.sqrt(both["sold"].to_numpy())
        assert np.mean(np.abs(off) < 2 * error) > 0.9, name
        assert abs(np.average(off, weights=both["sold"])) < 3 * spread / np.sqrt(both["sold"].sum()), name


def test_auctions_that_have_not_ended_bias_whoever_leaves_them_out(litigation, places):
    auctions = collateral.learn(litigation, EARLY)
    both = cells(auctions, places, "filed")
    truth = np.average(both["months_true"], weights=both["cases"])
    ours = np.average(both["months"], weights=both["cases"])
    steps = litigation.filter(pl.col("known_at") <= EARLY, pl.col("asset_type").is_not_null()).collect()
    filed = steps.filter(pl.col("stage") == "filed").select("case_id", start="happened_at")
    sold = steps.filter(pl.col("stage") == "auction_sold").join(filed, on="case_id")
    naive = (sold["happened_at"] - sold["start"]).dt.total_days().mean() / 30.4375
    assert naive < 0.9 * truth
    assert ours == pytest.approx(truth, rel=0.04)
    assert sold.height / filed.height < 0.75 * both["chance_true"].mean()
    chance = np.average(both["chance"], weights=both["cases"])
    assert chance == pytest.approx(np.average(both["chance_true"], weights=both["cases"]), rel=0.04)


def test_nothing_learnt_later_counts(litigation):
    known = litigation.filter(pl.col("known_at") <= EARLY)
    assert collateral.learn(litigation, EARLY).table.equals(collateral.learn(known, EARLY).table)


def test_the_order_of_the_rows_does_not_matter(litigation):
    shuffled = litigation.collect().sample(fraction=1.0, shuffle=True, seed=5).lazy()
    ours, other = (collateral.learn(rows, NOW).table for rows in (litigation, shuffled))
    numbers = [name for name, kind in ours.schema.items() if kind.is_numeric()]
    keys = ["origin", "asset_type", "region"]
    np.testing.assert_allclose(ours.sort(keys).select(numbers), other.sort(keys).select(numbers), rtol=1e-9)


def test_a_place_with_one_auction_sells_like_its_kind(litigation):
    auctions = collateral.learn(litigation, NOW)
    land = auctions.sales("land", "nowhere", "none")
    assert land is auctions.cells["filed", "land", ""]
    one = pl.col("case_id") == litigation.filter(
        pl.col("stage") == "auction_sold", pl.col("asset_type") == "land"
    ).select(pl.col("case_id").last()).collect().item()  # fmt: skip
    moved = litigation.with_columns(
        region=pl.when(one).then(pl.lit("ZZ")).otherwise("region"),
        hammer_amount=pl.when(one).then(pl.col("hammer_amount") * 3).otherwise("hammer_amount"),
    )
    alone = collateral.learn(moved, NOW).sales("land", "ZZ", None)
    assert alone.sold == 1
    assert np.exp(alone.location[0] - land.location[0]) < 1.35, "one auction at three times the price"
    whole = auctions.sales("other", "TX", "enforcement")
    assert whole is auctions.cells["enforcement", "", ""], "a kind never auctioned sells like all"


def test_without_auctions_the_error_says_what_to_take_in(litigation):
    with pytest.raises(RecoupError, match=r"no sale at an auction is known by 2010-01-01.*ingest"):
        collateral.learn(litigation, datetime(2010, 1, 1, tzinfo=UTC))
    from_judgment = litigation.with_columns(
        asset_type=pl.when(pl.col("stage") != "filed").then("asset_type")
    ).filter(pl.col("stage") != "filed")  # fmt: skip
    auctions = collateral.learn(from_judgment, NOW)
    assert auctions.sales("land", "TX", "judgment").sold > 0
    with pytest.raises(RecoupError, match="from 'filed'; name asset_type"):
        auctions.sales("land", "TX", "none")


def test_cases_without_an_asset_are_not_auctions(litigation):
    plain = litigation.filter(pl.col("asset_type").is_null())
    assert plain.collect().height > 0
    with pytest.raises(RecoupError, match="no sale at an auction"):
        collateral.learn(plain, NOW)


def test_a_lake_from_before_auctions_still_reads(home, world, tmp_path):
    lake = Lake(home)
    plain = pl.read_csv(world.feeds["litigation"], infer_schema=False)
    plain.filter(pl.col("asset_type").is_null()).write_csv(tmp_path / "old.csv")
    batch = lake.ingest(tmp_path / "old.csv", "canonical", "litigation")
    stored = home.lake / "litigation" / f"{batch.id}.parquet"
    new = ["asset_type", "appraised_amount", "auction_round", "reserve_amount", "hammer_amount"]
    pl.read_parquet(stored).drop(new).write_parquet(stored)
    assert lake.scan("litigation").collect().height == batch.accepted["litigation"]
    lake.ingest(world.feeds["litigation"], "canonical", "litigation")
    assert collateral.learn(lake.scan("litigation"), NOW).sales("land", "TX", None).sold > 0


@pytest.mark.parametrize(
    ("stage", "changes", "reason"),
    [
        ("auction_sold", {"hammer_amount": None}, "auction_sold without hammer_amount"),
        ("auction_sold", {"hammer_amount": "1"}, "hammer_amount is below reserve_amount"),
        ("auction_listed", {"appraised_amount": "0"}, "auction_listed without appraised_amount"),
        ("auction_failed", {"asset_type": None}, "an auction of no asset_type"),
        ("auction_failed", {"asset_type": "castle"}, "must be one of"),
    ],
)
def test_an_auction_that_makes_no_sense_is_rejected(world, tmp_path, stage, changes, reason):
    row = pl.read_csv(world.feeds["litigation"], infer_schema=False).filter(pl.col("stage") == stage).head(1)
    row.with_columns(pl.lit(value, pl.String).alias(name) for name, value in changes.items()).write_csv(
        tmp_path / "a.csv"
    )
    (rows,) = intake.read_feeds(tmp_path / "a.csv", mapping.load("canonical"), "litigation")
    assert reason in rows.rejected["reason"].item()


def test_rounds_of_one_auction_are_rows_of_their_own(world, tmp_path):
    rows = pl.read_csv(world.feeds["litigation"], infer_schema=False)
    several = rows.filter((pl.col("stage") == "auction_failed").sum().over("case_id") == 2).head(40)
    pl.concat([several, several.head(1)]).write_csv(tmp_path / "a.csv")
    (read,) = intake.read_feeds(tmp_path / "a.csv", mapping.load("canonical"), "litigation")
    assert read.accepted.height == 40
    assert "duplicate" in read.rejected["reason"].item()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["seen", "withdrawn", "sold"])), min_size=1, max_size=40))
def test_incidence_is_a_probability_and_plain_counting_when_all_have_ended(cases):
    months = np.array([float(month) for month, _ in cases])
    ended = np.array([end != "seen" for _, end in cases])
    sold = np.array([end == "sold" for _, end in cases])
    chance = collateral.incidence(months, ended, sold)
    assert ((chance >= 0) & (sold | (chance == 0))).all()
    assert chance.sum() <= 1 + 1e-9
    every = collateral.incidence(months, np.ones(len(cases), dtype=bool), sold)
    np.testing.assert_allclose(every, sold / len(cases), rtol=1e-9)
    assert chance.sum() >= sold.mean() - 1e-9, "a case not seen to the end may still sell"
