"""Labelled rows: only horizons that were lived through, and nothing learnt later."""

from datetime import UTC, datetime

import polars as pl
import pytest

from features.errors import RecoupError
from features.lake import Lake
from features.world import load_truth
from tests.features.small_world import loan, take_in
from training import contact, recovery

AS_OF = datetime(2025, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def lake(worked):
    return Lake(worked)


@pytest.fixture(scope="module")
def rows(lake):
    return recovery.rows(lake, "canonical", AS_OF)


def test_no_loan_contributes_a_horizon_that_it_has_not_lived_through(rows):
    ends = rows.select(pl.col("moment").dt.offset_by(pl.format("{}mo", pl.col("horizon_months_asked").cast(pl.Int64))))
    assert (ends["moment"] <= AS_OF).all()
    assert set(rows["horizon_months_asked"].unique()) == {6.0, 12.0, 24.0, 36.0}


def test_targets_are_the_shares_that_the_world_realised(rows, worked):
    truth = load_truth(worked.root.parent / "world" / "truth").loans
    first = rows.filter(pl.col("moment") == pl.col("moment").min().over("loan_id"))
    for horizon in (6, 24):
        both = first.filter(pl.col("horizon_months_asked") == horizon).join(truth, on="loan_id")
        gap = (both["target"] - both[f"realised_{horizon}"]).abs()
        # the cut-off becomes known up to two days after it, so a payment may fall across an edge
        assert gap.mean() < 0.001 and (gap > 1e-6).mean() < 0.02


def test_targets_never_fall_as_the_horizon_grows(rows):
    steps = rows.sort("horizon_months_asked").select(
        pl.col("target").diff().over("loan_id", "moment", order_by="horizon_months_asked")
    )
    assert (steps["target"].drop_nulls() >= -1e-12).all()


def test_loans_with_collateral_teach_nothing(tmp_path):
    """Their cash is the auction's too: not from the row that first tells of it, and not from one before."""
    pledge = {"collateral_type": "residential", "collateral_value": "9000"}
    later = {"cutoff_on": "2021-12-31", "known_at": "2022-01-01T00:00:00Z"}
    tapes = [
        [loan(1), loan(2, **pledge), loan(3), loan(4, status="performing", **pledge)],
        [loan(3, **pledge, **later), loan(4, **later)],
    ]
    paid = {"currency": "USD", "kind": "recovery", "amount": "600.25", "paid_at": "2021-03-01T00:00:00Z",
            "known_at": "2021-03-01T00:00:00Z"}  # fmt: skip
    payments = [paid | {"payment_id": f"P{number}", "loan_id": f"L{number}"} for number in (1, 2, 3, 4)]
    files = [("loans", pl.DataFrame(tape, infer_schema_length=None)) for tape in tapes]
    door = take_in(tmp_path / "home", [*files, ("payments", pl.DataFrame(payments))])
    known = recovery.charged_off(door.lake, "canonical", datetime(2021, 6, 30, tzinfo=UTC))
    assert sorted(known["loan_id"]) == ["L1", "L3"], "nobody could know of the third loan's collateral yet"
    assert recovery.charged_off(door.lake, "canonical", AS_OF)["loan_id"].to_list() == ["L1"]
    labelled = recovery.rows(door.lake, "canonical", AS_OF)
    assert labelled["loan_id"].unique().to_list() == ["L1"]
    assert labelled["target"].max() == pytest.approx(0.5)


def test_later_knowledge_changes_no_earlier_row(lake, rows):
    """Rows as of a day hold the same labels whatever came in after it."""
    earlier = recovery.rows(lake, "canonical", datetime(2024, 1, 1, tzinfo=UTC))
    keys = ["loan_id", "moment", "horizon_months_asked"]
    both = earlier.join(rows, on=keys, suffix="_later")
    assert both.height == earlier.height
    settled = both.filter(
        pl.col("moment").dt.offset_by(pl.format("{}mo", pl.col("horizon_months_asked").cast(pl.Int64)))
        < datetime(2023, 12, 20, tzinfo=UTC)
    )
    assert settled["target"].equals(settled["target_later"].rename("target"))


def test_each_loan_is_judged_once(rows):
    judged = rows.filter("judged")
    assert judged["loan_id"].n_unique() == judged.height == rows["loan_id"].n_unique()


def test_attempts_are_seen_just_before_they_are_made(lake):
    attempts = contact.rows(lake, "canonical", AS_OF)
    made = lake.scan("contacts").select("attempt_id", "attempted_at").collect()
    both = attempts.join(made, left_on="entity", right_on="attempt_id")
    assert (both["moment"] < both["attempted_at"]).all()
    assert attempts["moment"].is_sorted()


@pytest.mark.parametrize("model", [recovery, contact])
def test_nothing_known_yet_is_an_error_that_says_so(lake, model):
    with pytest.raises(RecoupError, match=r"2001-01-01.*--as-of"):
        model.rows(lake, "canonical", datetime(2001, 1, 1, tzinfo=UTC))
