"""Due diligence of a tape: what is planted is found, figures agree, nothing leaves the file or gets in."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from features.errors import RecoupError
from serving.diligence.job import diligence
from serving.diligence.spread import Luck, Spread
from serving.pricing import scenarios, valuation

HOSTILE = "<script>alert('L1')</script>"


def examine(home, path, out):
    page = diligence(home, path, "canonical", out, valuation.assumptions(), progress=lambda line: None)
    return page.read_text(), json.loads((out / "diligence.json").read_text())


@pytest.fixture(scope="module")
def plain(worked, tape_on_offer, tmp_path_factory):
    """A tape with nothing planted: its page, its figures, and the prices beside them."""
    out = tmp_path_factory.mktemp("diligence")
    page, report = examine(worked, tape_on_offer, out)
    return page, report, pl.read_parquet(out / "prices.parquet")


@pytest.fixture(scope="module")
def spoilt(worked, tape_on_offer, tmp_path_factory):
    """A tape with faults planted in it: its page, its figures, and the tape."""
    folder = tmp_path_factory.mktemp("spoilt")
    rows = pl.read_csv(tape_on_offer, infer_schema=False).with_row_index("n")
    n = pl.col("n")
    tape = rows.with_columns(
        loan_id=pl.when(n == 20).then(pl.lit(HOSTILE)).when(n == 3).then(pl.col("loan_id").get(2)).otherwise("loan_id"),
        borrower_id=pl.when(n.is_in([10, 11, 12])).then(pl.lit("jane.roe@example.com")).otherwise("borrower_id"),
        balance=pl.when(n == 20).then(pl.lit("9000000")).when(n == 21).then(pl.lit("nine")).otherwise("balance"),
        original_amount=pl.when(n == 20).then(pl.lit("9000000")).otherwise("original_amount"),
        principal_balance=pl.when(n == 20).then(pl.lit("9000000")).otherwise("principal_balance"),
        credit_score=pl.when(n >= 30).then(None).otherwise("credit_score"),
        annual_income=pl.when(n == 31).then(pl.lit("0")).otherwise("annual_income"),
        interest_rate=pl.when(n == 40).then(pl.lit("a lot")).otherwise("interest_rate"),
    )
    again = tape.filter(n == 50).with_columns(loan_id=pl.lit("AGAIN"))
    tape = pl.concat([tape, again]).drop("n")
    tape.write_csv(folder / "tape.csv")
    return *examine(worked, folder / "tape.csv", folder / "out"), tape


def of_field(report, name):
    return next(row for row in report["fields"]["fields"] if row["field"] == name)


def test_the_figures_are_those_of_the_prices(plain):
    _, report, prices = plain
    (part,) = report["parts"]
    whole = part["overview"]
    assert whole["loans"] == report["accepted"] == prices.height
    assert whole["claim"] == pytest.approx(prices["balance"].sum(), rel=1e-12)
    for name in ("price", "expected_recovery"):
        assert whole[name] == pytest.approx(prices[name].sum(), rel=1e-9)
    assert report["model"]["version"] == prices["model_version"][0]
    by_value = prices.sort("npv", descending=True)["loan_id"].to_list()
    assert [loan["loan_id"] for loan in part["drivers"]["most"]] == by_value[:20]
    assert {loan["loan_id"] for loan in part["drivers"]["least"]} == set(by_value[-20:])


def test_strata_add_up_to_the_whole(plain):
    _, report, _ = plain
    (part,) = report["parts"]
    assert {cut["by"] for cut in part["strata"]} == {
        "balance", "age of debt", "product", "region", "legal status", "limitation",
    }  # fmt: skip
    for cut in part["strata"]:
        for name in ("loans", "claim", "expected_recovery", "price"):
            assert sum(row[name] for row in cut["rows"]) == pytest.approx(part["overview"][name], rel=1e-9)


def test_an_interval_holds_its_figure_and_that_of_a_total_is_narrower_than_the_sum(plain):
    _, report, prices = plain
    (part,) = report["parts"]
    whole = part["overview"]
    assert whole["recovery_lower"] < whole["expected_recovery"] < whole["recovery_upper"]
    assert whole["worth_lower"] < whole["price"] < whole["worth_upper"]
    width = whole["recovery_upper"] - whole["recovery_lower"]
    loans = prices["balance"] * (prices["recovery_rate_upper"] - prices["recovery_rate_lower"])
    assert width < loans.sum()
    for cut in part["strata"]:
        rows = [row for row in cut["rows"] if row["loans"] > 1]
        assert all(row["recovery_rate_lower"] < row["recovery_rate"] < row["recovery_rate_upper"] for row in rows)
        if len(rows) > 1:
            assert (
                sum(row["worth_upper"] - row["worth_lower"] for row in rows)
                > whole["worth_upper"] - whole["worth_lower"]
            )


def test_the_spread_of_a_total_is_that_of_the_scenarios():
    rng = np.random.default_rng(3)
    weights, region = rng.gamma(1.0, 100.0, 400), rng.integers(0, 5, 400)
    shapes = np.array([np.repeat([0.0, 10.0], [90, 10]), np.repeat([0.5, 1.5], [50, 50])])
    shape = rng.integers(0, 2, 400)
    luck = Luck((shapes**2).mean(axis=1)[shape], region, 0.2, 0.15)
    spread = luck.total(weights, np.arange(400))
    loans = scenarios.Exposures(weights[:, None], region, shape, shapes)
    drawn = scenarios.simulate(loans, 0.2, 0.15, 20_000)[:, 0]
    assert spread.mean == pytest.approx(drawn.mean(), rel=0.01)
    assert np.sqrt(spread.variance) == pytest.approx(drawn.std(), rel=0.03)
    np.testing.assert_allclose(spread.interval, np.quantile(drawn, (0.05, 0.95)), rtol=0.03)


def test_a_total_without_luck_is_certain():
    assert Spread(5.0, 0.0, 0.0).interval == (5.0, 5.0)


def test_base_and_drivers_add_up_to_the_expected_recovery(plain):
    drivers = plain[1]["parts"][0]["drivers"]
    total = drivers["base"] + sum(row["effect"] for row in drivers["inputs"]) + drivers["other"]
    assert total == pytest.approx(drivers["expected_recovery"], rel=1e-9)
    assert drivers["expected_recovery"] == pytest.approx(plain[2]["expected_recovery"].sum(), rel=1e-9)


def test_planted_duplicates_and_linked_debtors_are_found(spoilt, plain):
    page, report, tape = spoilt
    links, before = report["links"], plain[1]["links"]
    assert links["repeated"] == {"rows": 1, "first_rows": [4]}
    assert [tape["loan_id"][50], "AGAIN"] in links["one_loan"]["loan_ids"]
    (twice,) = links["one_loan"]["twice"]
    assert twice["claim"] == pytest.approx(float(tape["balance"][50]))
    assert tape["loan_id"].gather([10, 11, 12]).to_list() in links["debtors"]["loan_ids"]
    assert links["debtors"]["with_several"] > before["debtors"]["with_several"]
    assert before["repeated"]["rows"] == before["one_loan"]["groups"] == 0
    assert "repeat a loan number" in page and "one loan under several numbers" in page


def test_planted_faults_of_fields_are_named_with_their_eba_number(spoilt, plain):
    _, report, tape = spoilt
    assert of_field(report, "balance")["eba"] == "3.09-3.12"
    assert of_field(report, "balance")["invalid"] == 1
    (reason,) = of_field(report, "interest_rate")["reasons"]
    assert reason == {"reason": "cannot read a value as number", "rows": 1, "first_row": 41}
    assert report["fields"]["invalid_rows"] == 3 == report["rejected"]
    filled = of_field(report, "credit_score")["filled"]
    assert filled == pytest.approx(tape.filter(pl.col("credit_score").is_not_null()).height / tape.height, abs=0.02)
    assert of_field(plain[1], "credit_score")["filled"] == 1.0
    strange = {rule["what"]: rule["loans"] for rule in of_field(report, "annual_income")["implausible"]}
    assert strange["zero"] == 1
    assert {used["input"] for used in of_field(report, "credit_score")["used"]} == {"credit_score"}
    assert "instalment_to_income" in {used["input"] for used in of_field(report, "annual_income")["used"]}


def test_a_loan_that_outweighs_the_rest_is_a_warning(spoilt, plain):
    _, report, _ = spoilt
    concentration = report["parts"][0]["concentration"]
    assert concentration["largest"][0]["balance"] == 9_000_000
    assert concentration["gini"] > 0.9 > plain[1]["parts"][0]["concentration"]["gini"]
    texts = [row["text"] for row in report["findings"] if row["section"] == "concentration"]
    assert any(text.startswith("The ten largest loans") for text in texts)
    assert not [row for row in plain[1]["findings"] if row["section"] == "concentration"]


def test_a_field_taken_away_is_what_is_missing(spoilt, plain):
    gaps = {row["field"]: row for row in spoilt[1]["parts"][0]["missing"]["gaps"]}
    assert gaps["credit_score"]["missing"] > 0.7 and gaps["credit_score"]["uncertainty"] > 0
    assert "credit_score" not in {row["field"] for row in plain[1]["parts"][0]["missing"]["gaps"]}
    worths = [row["uncertainty"] for row in spoilt[1]["parts"][0]["missing"]["gaps"]]
    assert worths == sorted(worths, reverse=True)
    assert next(row for row in gaps.values() if row["whole"])["from"] == "a file of debtors"


def test_an_input_that_moved_stands_out_against_our_own_book(worked, tape_on_offer, plain, tmp_path):
    rows = pl.read_csv(tape_on_offer, infer_schema=False)
    rows.with_columns(debt_to_income=pl.lit("900"), purpose=pl.lit("racing")).write_csv(tmp_path / "tape.csv")
    comparison = examine(worked, tmp_path / "tape.csv", tmp_path / "out")[1]["comparison"]
    before = plain[1]["comparison"]
    moved = {row["input"]: row for row in comparison["inputs"]}
    assert moved["purpose"]["outside"] == moved["debt_to_income"]["outside"] == 1.0
    assert (
        moved["debt_to_income"]["psi"]
        > 1
        > next(row["psi"] for row in before["inputs"] if row["input"] == "debt_to_income")
    )
    assert comparison["auc"] > 0.99 > before["auc"]
    assert {"purpose", "debt_to_income"} & {row["input"] for row in comparison["drivers"][:2]}


class Links(HTMLParser):
    """Whatever a page refers to, and the scripts that it runs."""

    def __init__(self, page):
        super().__init__()
        self.targets, self.tags = [], set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.targets += [value for name, value in attrs if name in ("src", "href", "data", "xlink:href", "action")]


def test_the_page_needs_nothing_but_itself(plain):
    found = Links(plain[0])
    assert found.targets and all(target.startswith("#") for target in found.targets)
    assert not {"script", "link", "iframe", "img", "object"} & found.tags
    assert not re.search(r"url\(|@import|https?://", plain[0])
    anchors = set(re.findall(r'<section id="(\w+)"', plain[0]))
    assert {target.removeprefix("#") for target in found.targets} <= anchors
    charts = re.findall(r"<svg [^>]*>", plain[0])
    assert charts and all('aria-label="' in chart for chart in charts)


def test_text_of_the_tape_is_escaped(spoilt):
    page, report, _ = spoilt
    assert report["parts"][0]["concentration"]["largest"][0]["loan_id"] == HOSTILE
    assert "&lt;script&gt;alert" in page and "script" not in Links(page).tags


def test_no_person_is_shown(spoilt, plain, worked):
    page, report, tape = spoilt
    text = page + json.dumps(report)
    for identifier in ("jane.roe@example.com", *tape["borrower_id"]):
        assert identifier not in text
    assert not re.search(r"\bt_[0-9a-f]{32}\b", text)
    assert "nine" not in re.findall(r"cannot read ([^<]*)", page)[0], "a value out of the file says who it is"


def test_money_of_two_currencies_is_never_added(worked, tape_on_offer, tmp_path):
    rows = pl.read_csv(tape_on_offer, infer_schema=False).head(60).with_row_index("n")
    mixed = rows.with_columns(currency=pl.when(pl.col("n") < 20).then(pl.lit("EUR")).otherwise("currency")).drop("n")
    mixed.write_csv(tmp_path / "tape.csv")
    page, report = examine(worked, tmp_path / "tape.csv", tmp_path / "out")
    totals = pl.read_parquet(tmp_path / "out" / "prices.parquet").group_by("currency").agg(pl.col("price").sum())
    assert {part["overview"]["currency"]: pytest.approx(part["overview"]["price"]) for part in report["parts"]} == dict(
        totals.iter_rows()
    )
    assert "In EUR" in page and "In USD" in page


def test_one_loan_is_enough(worked, tape_on_offer, tmp_path):
    pl.read_csv(tape_on_offer, infer_schema=False).head(1).write_csv(tmp_path / "tape.csv")
    _, report = examine(worked, tmp_path / "tape.csv", tmp_path / "out")
    assert report["parts"][0]["overview"]["loans"] == 1


def test_a_file_that_is_no_tape_is_refused_as_price_refuses_it(worked, tmp_path):
    (tmp_path / "tape.csv").write_text("loan_id,balance\nL1,100\n")
    with pytest.raises(RecoupError, match="missing column"):
        examine(worked, tmp_path / "tape.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()
