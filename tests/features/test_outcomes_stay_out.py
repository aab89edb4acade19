"""What is known only after charge-off, or after the call, reaches no loan and no feature."""

from pathlib import Path

import polars as pl
import pytest

from features import intake, mapping
from features.home import Home
from features.lake import Lake
from tests.features.small_world import everything_written, write_campaign

OUTCOMES = (
    "recoveries", "collection_recovery_fee", "total_pymnt", "total_pymnt_inv", "last_fico_range_high",
    "last_fico_range_low", "last_credit_pull_d", "debt_settlement_flag", "debt_settlement_flag_date",
    "settlement_status", "settlement_date", "settlement_amount", "settlement_percentage",
    "settlement_term", "hardship_flag", "hardship_type", "hardship_reason", "hardship_status",
    "hardship_amount", "hardship_start_date", "hardship_loan_status",
)  # fmt: skip
STEMS = ("settlement_", "debt_settlement_", "hardship_", "last_fico_range_", "total_pymnt")
LIKE_LENDING_CLUB = {
    "id": "1077430", "loan_status": "Charged Off", "addr_state": "GA", "issue_d": "Dec-2010",
    "last_pymnt_d": "Apr-2012", "last_pymnt_amnt": "119.66", "earliest_cr_line": "Apr-1999",
    "funded_amnt": "2500", "installment": "59.83", "int_rate": "15.27%", "term": " 60 months",
    "total_rec_prncp": "456.46", "total_rec_int": "435.17", "total_rec_late_fee": "0",
    "grade": "C", "sub_grade": "C4", "purpose": "car", "annual_inc": "30000",
    "verification_status": "Source Verified", "emp_length": "< 1 year", "home_ownership": "RENT",
    "dti": "1", "fico_range_low": "740", "delinq_2yrs": "0", "inq_last_6mths": "5",
    "mths_since_last_delinq": "", "mths_since_last_record": "", "open_acc": "3", "total_acc": "4",
    "pub_rec": "0", "pub_rec_bankruptcies": "0", "revol_bal": "1687", "revol_util": "9.4%",
}  # fmt: skip


def small_book(number: int = 30) -> pl.DataFrame:
    statuses = ["Charged Off", "Fully Paid", "Does not meet the credit policy. Status:Charged Off"]
    return pl.DataFrame(
        [
            {
                **LIKE_LENDING_CLUB,
                "id": str(n),
                "loan_status": statuses[n % 3],
                "total_rec_prncp": str(10 * n),
            }
            | {name: str(n + 0.5) for name in OUTCOMES}
            for n in range(number)
        ]
    )


@pytest.fixture(params=["like it", "real"])
def book(request) -> pl.DataFrame:
    """Return a book in LendingClub's columns as text: a small one, and the real one."""
    if request.param == "like it":
        return small_book()
    return pl.read_csv(request.getfixturevalue("lending_club"), infer_schema=False)


@pytest.mark.parametrize("fate", ["blanked", "nonsense", "other numbers", "absent"])
def test_no_loan_changes_when_the_outcomes_do(tmp_path, book, fate):
    outcomes = [name for name in book.columns if name in OUTCOMES or name.startswith(STEMS)]
    assert set(OUTCOMES) <= set(outcomes)
    changed = {
        "blanked": book.with_columns(pl.lit(None, pl.String).alias(name) for name in outcomes),
        "nonsense": book.with_columns(pl.lit("nonsense").alias(name) for name in outcomes),
        "other numbers": book.with_columns(pl.lit("77").alias(name) for name in outcomes),
        "absent": book.drop(outcomes),
    }[fate]
    layout = mapping.load("lending_club")
    found = []
    for name, frame in (("whole.csv", book), ("changed.csv", changed)):
        frame.write_csv(tmp_path / name)
        (loans,) = intake.read_feeds(tmp_path / name, layout, "loans")
        found.append(loans)
    assert found[0].accepted.height == book.height and found[0].rejected.is_empty()
    assert found[1].accepted.equals(found[0].accepted) and found[1].rejected.is_empty()


def test_recoveries_become_payments_of_charged_off_loans_alone(home, tmp_path):
    small_book().write_csv(tmp_path / "book.csv")
    batch = Lake(home).ingest(tmp_path / "book.csv", "lending_club")
    assert batch.accepted == {"loans": 30, "payments": 20}
    payments = Lake(home).scan("payments").collect()
    assert payments["amount"].to_list() == [n + 0.5 for n in range(30) if n % 3 != 1]
    assert payments["known_at"].dt.year().unique().to_list() == [2019]
    loans = Lake(home).scan("loans").collect()
    assert loans["balance"].to_list() == [2500.0 - 10 * n for n in range(30)]
    assert loans["employment_years"].unique().to_list() == [0.0]
    assert loans["interest_rate"].unique().to_list() == [0.1527]


def test_length_of_the_call_never_reaches_the_lake(home, tmp_path):
    """Every ``duration`` written by `write_campaign` is a number found nowhere else in the file."""
    path = write_campaign(tmp_path / "calls.csv")
    Lake(home).ingest(path, "bank_marketing")
    written = everything_written(home.root)
    assert "duration" not in written
    numbers = {
        value
        for file in home.root.rglob("*.parquet")
        for column in pl.read_parquet(file).select(pl.col(pl.Float64, pl.UInt32))
        for value in column.to_list()
    }
    durations = pl.read_csv(path, separator=";")["duration"].to_list()
    assert durations[0] == 987_650 and not numbers & set(durations)


def test_real_book_is_taken_in_whole(home, lending_club: Path):
    batch = Lake(home).ingest(lending_club, "lending_club")
    assert batch.accepted == {"loans": 30_042, "payments": 4_482}
    assert batch.rejected == {"loans": 0, "payments": 0}
    loans = Lake(home).scan("loans").collect()
    assert loans["status"].value_counts().filter(pl.col("status") == "charged_off")["count"].item() == 4_482
    assert loans["originated_on"].dt.year().is_between(2007, 2011).all()


def test_real_campaign_is_taken_in_whole(home: Home, bank_marketing: Path):
    batch = Lake(home).ingest(bank_marketing, "bank_marketing")
    assert batch.accepted == {"borrowers": 41_188, "contacts": 41_188, "market": 488}
    assert batch.rejected == {"borrowers": 0, "contacts": 0, "market": 2}
    contacts = Lake(home).scan("contacts").collect()
    assert contacts["attempted_at"].is_sorted() and contacts["attempted_at"].dt.year().max() == 2010
    assert contacts["right_party"].sum() == 4_640
    assert "duration" not in everything_written(home.root)
