"""Clearing prices beside ours: every sale finds its loans, and the difference is explained."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from features.errors import RecoupError
from serving.pricing import clearing, valuation
from training.outlook import HORIZONS, ULTIMATE, Outlook

GIVEN = valuation.assumptions()


@pytest.fixture(scope="module")
def offer():
    loans = pl.DataFrame(
        {
            "product": ["credit_card", "credit_card", "personal_loan", "personal_loan"],
            "region": ["TX", "NY", "TX", "NY"],
            "currency": ["USD", "USD", "USD", "EUR"],
            "legal_status": "none",
            "balance": [1000.0, 2000.0, 4000.0, 8000.0],
            "cutoff_on": date(2025, 12, 31),
            "default_on": [date(2025, 6, 30), date(2023, 12, 31), None, date(2020, 12, 31)],
        }
    )
    rate = np.array([0.2, 0.1, 0.0005, 0.05])
    curve = np.outer(rate, [0.35, 0.55, 0.8, 0.9, 0.97, 1.0])
    outlook = Outlook((*HORIZONS, ULTIMATE), curve, curve, curve, np.zeros(4, dtype=np.int64))
    return loans, valuation.value(outlook, loans["balance"].to_numpy(), GIVEN)


def compare(tmp_path, offer, text):
    (tmp_path / "sales.csv").write_text(text)
    return clearing.compare(clearing.read(tmp_path / "sales.csv"), *offer, GIVEN)


def test_each_sale_finds_its_loans_and_the_strange_are_named(tmp_path, offer):
    found = compare(
        tmp_path, offer,
        "product,region,balance_band,age_band,price,date\n"
        "credit_card,,,,0.05,2025-03-31\n"
        "credit_card,TX,,,0.05,2025-03-31\n"
        ",,2000-4000,,0.04,2025-03-31\n"
        ",,,24+,0.02,2025-03-31\n"
        "mortgage,,,,0.3,2025-03-31\n",
    )  # fmt: skip
    told = [(each["segment"], each["currency"], each["loans"]) for each in found["segments"]]
    assert told == [
        ("product credit_card", "USD", 2),
        ("product credit_card, region TX", "USD", 1),
        ("balance_band 2000-4000", "USD", 1),
        ("age_band 24+", "USD", 1),
        ("age_band 24+", "EUR", 1),
    ]
    assert found["unmatched"] == ["product mortgage"]
    assert found["uncovered"] == pytest.approx(0.25)


def test_the_parts_add_up_to_our_price(tmp_path, offer):
    loans, valued = offer
    (found,) = compare(tmp_path, offer, "currency,price,date\nUSD,0.03,2025-03-31\n")["segments"]
    ours = (loans["currency"] == "USD").to_numpy()
    assert found["own"] == pytest.approx(valued.price[ours].sum() / 7000)
    assert sum(found["parts"].values()) == pytest.approx(found["own"])
    assert found["parts"]["not_worked"] > 0, "the third loan is not worth its cost"
    assert found["difference"] == pytest.approx(found["own"] - 0.03)


def test_what_explains_the_difference_does(tmp_path, offer):
    loans, valued = offer
    (found,) = compare(tmp_path, offer, "product,price,date\ncredit_card,0.05,2025-03-31\n")["segments"]
    held, owed = (loans["product"] == "credit_card").to_numpy(), np.array([1000.0, 2000.0])
    at = GIVEN.model_copy(update={"required_return": found["implied_return"]})
    worth = valuation.present_value(valued.horizons, valued.curve[held], at)
    assert (owed * (worth - GIVEN.upfront)).sum() == pytest.approx(0.05 * 3000)
    scaled = found["implied_recoveries"] * valued.worth[held].sum() - valued.cost[held].sum()
    assert scaled == pytest.approx(0.05 * 3000)
    assert found["own"] > 0.05 and found["implied_return"] > GIVEN.required_return and found["implied_recoveries"] < 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("price,date\n4.1,2025-03-31\n", "row 1, column price: '4.1'"),
        ("price,date\n0.1,2025-03-31\nx,2025-03-31\n", "row 2, column price: 'x'"),
        ("price,date\nnan,2025-03-31\n", "column price"),
        ("price,date\n0.1,31.3.2025\n", "column date: '31.3.2025'"),
        ("price,date\n0.1,2999-01-01\n", "lies in the future"),
        ("price,date,product\n0.1,2025-03-31,cars\n", "column product: 'cars'"),
        ("price,date,balance_band\n0.1,2025-03-31,5000-100\n", "column balance_band: '5000-100'"),
        ("price,date,age_band\n0.1,2025-03-31,old\n", "column age_band: 'old'"),
        ("price,date,colour\n0.1,2025-03-31,red\n", "'colour'"),
        ("price\n0.1\n", "column 'date' is missing"),
        ("", "sales.csv"),
    ],
)
def test_nonsense_is_refused_with_row_and_column(tmp_path, offer, text, told):
    with pytest.raises(RecoupError, match=told.replace("(", r"\(")):
        compare(tmp_path, offer, text)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(RecoupError, match=r"none\.csv"):
        clearing.read(tmp_path / "none.csv")
