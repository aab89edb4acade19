"""A tape on offer: valued without any outcome, nothing lost, errors that say what to do."""

import gzip
import json
import shutil

import numpy as np
import polars as pl
import pytest

from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from serving.pricing import clearing, tape, valuation
from training.train import train

CONTRACT = [
    "loan_id", "balance", "recovery_rate", "recovery_rate_lower", "recovery_rate_upper",
    "expected_recovery", "npv", "price", "reason_1", "reason_2", "reason_3", "model_version",
]  # fmt: skip
OUTCOMES = [
    "recoveries", "collection_recovery_fee", "total_pymnt", "total_pymnt_inv", "last_credit_pull_d",
    "last_fico_range_high", "last_fico_range_low", "settlement_status", "settlement_amount",
    "debt_settlement_flag", "hardship_flag", "hardship_amount",
]  # fmt: skip


def price(home, path, out, source="canonical", given=None, **more):
    return tape.price(home, path, source, out, given or valuation.assumptions(), lambda line: None, **more)


@pytest.fixture(scope="module")
def priced(worked, tape_on_offer, tmp_path_factory):
    result = price(worked, tape_on_offer, tmp_path_factory.mktemp("prices"))
    return pl.read_parquet(result.prices), result.portfolio


def test_every_loan_has_the_columns_of_the_contract(priced, tape_on_offer):
    prices, _ = priced
    assert set(CONTRACT) <= set(prices.columns)
    assert prices["loan_id"].to_list() == pl.read_csv(tape_on_offer)["loan_id"].to_list()
    assert prices.drop("out_of_population").null_count().sum_horizontal().item() == 0


def test_rates_lie_within_their_interval_and_within_one(priced):
    prices, _ = priced
    rate, lower, upper = (prices[f"recovery_rate{part}"] for part in ("", "_lower", "_upper"))
    assert ((lower >= 0) & (lower <= rate) & (rate <= upper) & (upper <= 1)).all()


def test_loans_add_up_to_the_portfolio(priced):
    prices, portfolio = priced
    (total,) = portfolio["by_currency"]
    for name in ("balance", "expected_recovery", "npv", "price"):
        assert total[name] == pytest.approx(prices[name].sum(), rel=1e-12)
    np.testing.assert_allclose(prices["expected_recovery"], prices["recovery_rate"] * prices["balance"])


def test_recovery_never_falls_as_the_horizon_grows(priced):
    curve = list(priced[1]["by_currency"][0]["recovery_curve"].values())
    assert curve == sorted(curve) and curve[0] < curve[-1]


@pytest.mark.parametrize("name", ["required_return", "boarding_share"])
def test_price_falls_when_return_or_cost_rises(worked, tape_on_offer, priced, tmp_path, name):
    dearer = valuation.assumptions()
    dearer = dearer.model_copy(update={name: getattr(dearer, name) + 0.1})
    prices = pl.read_parquet(price(worked, tape_on_offer, tmp_path / "dearer", given=dearer).prices)
    before = priced[0]["price"]
    assert (prices["price"] <= before).all() and prices["price"].sum() < before.sum()


def test_the_files_hold_the_distribution_that_the_totals_speak_of(worked, tape_on_offer, tmp_path):
    (total,) = price(worked, tape_on_offer, tmp_path / "out").portfolio["by_currency"]
    drawn = pl.read_parquet(tmp_path / "out" / "scenarios.parquet")
    assert drawn.height == total["distribution"]["scenarios"] == 10_000
    for step in total["distribution"]["recovery"]:
        cash = drawn[f"cash_{step['months']}m"].to_numpy()
        assert np.quantile(cash, (0.05, 0.95)).tolist() == [step["lower"], step["upper"]]
        assert step["lower"] < step["expected"] < step["upper"]
    assert total["distribution"]["value"]["expected"] == pytest.approx(total["price"])
    assert total["stress"]["base"]["price"] == pytest.approx(total["price"])
    assert total["stress"]["downturn"]["price"] < total["price"]
    assert (tmp_path / "out" / "bid_curve.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((tmp_path / "out" / "portfolio.json").read_text())
    assert report["common_factor"]["national"] > 0 and report["by_currency"] == [total]


def test_currencies_are_priced_side_by_side_and_never_added(worked, tape_on_offer, tmp_path):
    rows = pl.read_csv(tape_on_offer, infer_schema=False).head(40).with_row_index("n")
    rows.drop("n").write_csv(tmp_path / "one.csv")
    prices = pl.read_parquet(price(worked, tmp_path / "one.csv", tmp_path / "one").prices)["price"]
    mixed = rows.with_columns(currency=pl.when(pl.col("n") < 15).then(pl.lit("EUR")).otherwise("currency"))
    mixed.drop("n").write_csv(tmp_path / "tape.csv")
    euro, dollar = price(worked, tmp_path / "tape.csv", tmp_path / "out").portfolio["by_currency"]
    assert (euro["currency"], euro["loans"], dollar["currency"], dollar["loans"]) == ("EUR", 15, "USD", 25)
    assert euro["price"] == pytest.approx(prices.head(15).sum())
    assert dollar["price"] == pytest.approx(prices.tail(25).sum())
    drawn = pl.read_parquet(tmp_path / "out" / "scenarios.parquet")
    assert drawn.group_by("currency").len().sort("currency").rows() == [("EUR", 10_000), ("USD", 10_000)]


def test_clearing_prices_stand_beside_ours(worked, tape_on_offer, tmp_path):
    (tmp_path / "sales.csv").write_text("product,price,date\ncredit_card,0.05,2025-03-31\nmortgage,0.3,2025-03-31\n")
    found = price(worked, tape_on_offer, tmp_path / "out", sales=clearing.read(tmp_path / "sales.csv"))
    told = found.portfolio["clearing"]
    (cards,) = told["segments"]
    assert cards["loans"] == (pl.read_csv(tape_on_offer)["product"] == "credit_card").sum()
    assert sum(cards["parts"].values()) == pytest.approx(cards["own"])
    assert told["unmatched"] == ["product mortgage"] and 0 < told["uncovered"] < 1
    assert (tmp_path / "out" / "clearing.png").read_bytes().startswith(b"\x89PNG")


def test_rows_that_cannot_be_priced_are_kept_with_their_reason(worked, tape_on_offer, tmp_path):
    rows = pl.read_csv(tape_on_offer, infer_schema=False).head(6)
    spoilt = rows.with_row_index("n").with_columns(
        status=pl.when(pl.col("n") == 0).then(pl.lit("repaid")).otherwise("status"),
        balance=pl.col("n").replace_strict({1: "0", 2: "-5"}, default=pl.col("balance")),
        currency=pl.when(pl.col("n") == 3).then(pl.lit("XXX")).otherwise("currency"),
    ).drop("n")  # fmt: skip
    spoilt.write_csv(tmp_path / "tape.csv")
    result = price(worked, tmp_path / "tape.csv", tmp_path / "out")
    rejected = pl.read_parquet(tmp_path / "out" / "rejected.parquet").sort("file_row")
    assert rejected["file_row"].to_list() == [1, 2, 3, 4]
    assert rejected["loan_id"].to_list() == rows["loan_id"].head(4).to_list()
    assert rejected["field"].to_list() == ["status", "balance", "balance", "currency"]
    assert result.portfolio["accepted"] == 2 and result.portfolio["rejected"] == 4


def test_a_tape_with_nothing_to_price_is_an_error_with_the_first_reason(worked, tape_on_offer, tmp_path):
    rows = pl.read_csv(tape_on_offer, infer_schema=False).head(3).with_columns(status=pl.lit("repaid"))
    rows.write_csv(tmp_path / "tape.csv")
    refusal = rf"no loan can be priced; the first: loan {rows['loan_id'][0]} in row 1, .*repaid is not in default"
    with pytest.raises(RecoupError, match=refusal):
        price(worked, tmp_path / "tape.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_a_model_the_error_names_the_command(home, tape_on_offer, tmp_path):
    with pytest.raises(RecoupError, match="recoup train recovery"):
        price(home, tape_on_offer, tmp_path / "out")


def test_a_strange_tape_is_priced_with_a_warning_and_wider_intervals(worked, tape_on_offer, tmp_path, priced):
    """Twenty loans each of another product, ten times as large, and from elsewhere; then twenty ordinary ones."""
    money = ["balance", "principal_balance", "interest_balance", "fee_balance", "original_amount", "instalment"]
    kind = pl.int_range(pl.len()) // 20
    ordinary = priced[0].with_row_index().filter(pl.col("out_of_population").is_null())["index"].head(80)
    rows = pl.read_csv(tape_on_offer, infer_schema=False)[ordinary]
    strange = rows.with_columns(
        pl.when(kind == 0).then(pl.lit("business_loan")).otherwise("product").alias("product"),
        *[pl.when(kind == 1).then((pl.col(name).cast(float) * 10).cast(str)).otherwise(name).alias(name)
          for name in money],
        pl.when(kind == 2).then(pl.lit("Atlantis")).otherwise("region").alias("region"),
    )  # fmt: skip
    strange.write_csv(tmp_path / "tape.csv")
    result = price(worked, tmp_path / "tape.csv", tmp_path / "out")
    prices, before = pl.read_parquet(result.prices), priced[0][ordinary]
    named = prices["out_of_population"].str.split(", ").to_list()
    assert all("product" in names for names in named[:20]) and all("debt_region" in names for names in named[40:60])
    large = [names is not None and "balance" in names for names in named]
    assert sum(large[20:40]) > 10 and sum(large) == sum(large[20:40]) and named[60:] == [None] * 20
    told = json.loads((tmp_path / "out" / "portfolio.json").read_text())
    assert told["out_of_population"]["share"] == sum(names is not None for names in named) / 80
    shares = told["out_of_population"]["by_column"]
    assert shares["product"] == shares["debt_region"] == 1 / 4 and shares["balance"] > 1 / 8
    (warning,) = [line for line in told["warnings"] if "lie outside the population" in line]
    assert "product (20 loans, such as business_loan" in warning
    assert "debt_region (20 loans, such as Atlantis" in warning
    was, now = ((side["recovery_rate_upper"] - side["recovery_rate_lower"]).to_numpy() for side in (before, prices))
    outside = prices["out_of_population"].is_not_null().to_numpy()
    assert (now[outside] > was[outside]).all()
    np.testing.assert_allclose(now[~outside], was[~outside])


def test_debtors_that_a_tape_comes_without_are_one_warning_and_no_loans_fault(worked, tape_on_offer, tmp_path, priced):
    _, told = priced
    assert {"phones", "has_email"} <= set(told["out_of_population"]["absent"])
    assert told["out_of_population"]["share"] < 0.1
    assert not set(told["out_of_population"]["absent"]) & told["out_of_population"]["by_column"].keys()
    (warning,) = [line for line in told["warnings"] if "debtor data absent" in line]
    assert "phones" in warning and "--feed borrowers" in warning
    shutil.copytree(worked.root, tmp_path / "home")
    known = Home(tmp_path / "home")
    Lake(known).ingest(tape_on_offer.with_name("tape_borrowers.csv"), "canonical", "borrowers")
    result = price(known, tape_on_offer, tmp_path / "out")
    assert result.portfolio["out_of_population"]["absent"] == []
    assert not [line for line in result.portfolio["warnings"] if "absent" in line]
    with_them, without = pl.read_parquet(result.prices), priced[0]
    inside = with_them["out_of_population"].is_null()
    for end, sign in (("lower", 1), ("upper", -1)):
        beyond = sign * (with_them[f"recovery_rate_{end}"] - without[f"recovery_rate_{end}"]).filter(inside)
        assert (beyond > -1e-9).mean() > 0.85, "intervals without the debtors hold those with them"


def test_a_model_of_another_source_is_a_warning(worked, lending_club, tmp_path):
    assert any("trained on canonical" in line for line in
               price(worked, lending_club, tmp_path, "lending_club").portfolio["warnings"])  # fmt: skip


@pytest.fixture(scope="module")
def trained_on_lending_club(tmp_path_factory, lending_club):
    home = Home(tmp_path_factory.mktemp("lending_club"))
    Lake(home).ingest(lending_club, "lending_club")
    trained, _ = train("recovery", home, trials=2, seed=7)
    return home, trained


def test_the_model_beats_mean_and_ridge_on_the_last_quarter_of_real_loans(trained_on_lending_club):
    _, trained = trained_on_lending_club
    ours, mean, ridge = (trained.metrics[side] for side in ("recovery", "mean", "ridge"))
    for baseline in (mean, ridge):
        assert ours["spearman"] > baseline["spearman"]
        assert ours["r2"] > baseline["r2"]
        assert ours["mae"] < baseline["mae"]
    assert ours["r2"] < 0.5, "so high on this data means a leak"


def test_real_prices_do_not_change_with_the_outcome_columns(trained_on_lending_club, lending_club, tmp_path):
    home, _ = trained_on_lending_club
    with gzip.open(lending_club) as file:
        rows = pl.read_csv(file.read(), infer_schema=False)
    book = rows.filter(pl.col("loan_status").str.ends_with("Charged Off")).tail(500)
    held = [name for name in OUTCOMES if name in book.columns]
    assert len(held) == len(OUTCOMES)
    variants = {
        "filled": book.with_columns(pl.lit("123.45").alias(name) for name in held),
        "blank": book.with_columns(pl.lit(None, pl.String).alias(name) for name in held),
        "absent": book.drop(held),
    }
    answers = {}
    for name, table in variants.items():
        table.write_csv(tmp_path / f"{name}.csv")
        result = price(home, tmp_path / f"{name}.csv", tmp_path / name, "lending_club")
        answers[name] = pl.read_parquet(result.prices)
        assert json.loads((tmp_path / name / "portfolio.json").read_text())["accepted"] == 500
    assert answers["filled"].equals(answers["blank"]) and answers["blank"].equals(answers["absent"])
