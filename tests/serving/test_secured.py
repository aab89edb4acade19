"""Secured loans: a layer of the auction, the debtor for the rest, and no more than the claim."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features import intake, mapping
from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from features.store import FeatureDoor
from features.world import simulate
from serving import turn
from serving.pricing import secured, tape, valuation
from serving.pricing.answers import Pricing
from serving.pricing.secured import AHEAD, STEPS
from serving.schemas import PriceRequest
from training import registry
from training.collateral import Sales
from training.outlook import Outlook

GIVEN = valuation.assumptions()
SHARES = st.floats(0.0, 1.0)
MONEY = st.floats(0.0, 1e7)


@pytest.fixture(scope="module")
def world(tmp_path_factory, token_key):
    return simulate(100, 23, tmp_path_factory.mktemp("secured") / "world", secured=2_000)


@pytest.fixture(scope="module")
def litigation(world):
    return _feed(world.feeds["litigation"], "litigation").lazy()


@pytest.fixture(scope="module")
def loans(world):
    """The tape: ten loans that nothing secures, then the secured ones."""
    return _feed(world.tape, "loans")


@pytest.fixture(scope="module")
def truth(world):
    return pl.read_parquet(world.truth / "secured.parquet")


@pytest.fixture(scope="module")
def held(loans, litigation):
    return secured.read(loans, litigation)


def _feed(path, feed):
    (rows,) = intake.read_feeds(path, mapping.load("canonical"), feed)
    assert rows.rejected.is_empty()
    return rows.accepted


def debtors(rates, shape=None):
    """An outlook of debtors who pay by and by."""
    rise = 1 - 0.5 ** (np.array(AHEAD) / 12)
    curve = np.outer(rates, rise / rise[-1])
    shape = np.zeros(len(rates), dtype=np.int64) if shape is None else shape
    return Outlook(AHEAD, curve, 0 * curve, np.minimum(3 * curve, 1.0), shape)


def one(value=100.0, prior=0.0, claim=100.0, net=(0.5, 0.8), months=(10.0, 20.0), chance=(0.4, 0.4)):
    """The collateral of one loan, from sales that are stated."""
    loan = pl.DataFrame({"row": [0], "collateral_value": [value], "prior_claims": [prior], "balance": [claim]})
    return secured._collateral(loan, Sales(np.array(months), np.array(net), np.array(chance), 2, 2))


def priced(held, rate=0.1, claim=None):
    """Value one secured loan whose debtor would pay a share of an unsecured debt."""
    claim = held.claim if claim is None else claim
    valued = valuation.value(debtors(np.full(len(claim), rate)), claim, GIVEN)
    return secured.combine(valued, held, np.ones((1, 1)), GIVEN)[0]


def test_collateral_pays_what_was_to_be_expected_of_it(held, truth, loans):
    claim = held.claim
    assert loans["loan_id"].gather(held.rows).sort().equals(truth["loan_id"].sort())
    known = loans[held.rows].select("loan_id").join(truth, on="loan_id", how="left", maintain_order="left")
    for place, months in enumerate(AHEAD[:-1]):
        planted = known[f"collateral_expected_{months:.0f}"].to_numpy()
        came = known[f"collateral_realised_{months:.0f}"].to_numpy()
        ours = held.share[:, place]
        assert (claim * ours).sum() == pytest.approx((claim * planted).sum(), rel=0.06 if months > 6 else 0.25)
        gap = claim * (came - ours)
        assert abs(gap.sum()) < 4 * gap.std() * np.sqrt(len(gap)), months
    assert np.corrcoef(held.share[:, 4], known["collateral_expected_60"])[0, 1] > 0.98


def test_nine_in_ten_recoveries_lie_in_their_interval(held, truth, loans):
    known = loans[held.rows].select("loan_id").join(truth, on="loan_id", how="left", maintain_order="left")
    for months in (24, 36, 60):
        place = AHEAD.index(float(months))
        came = known[f"realised_{months}"].to_numpy()
        both, alone = (known[f"{part}expected_{months}"].to_numpy() for part in ("", "collateral_"))
        expected = 1 - (1 - both) / np.maximum(1 - alone, 1e-9)
        luck = 1 - (1 - came) / np.maximum(1 - known[f"collateral_realised_{months}"].to_numpy(), 1e-9)
        counted = known[f"collateral_realised_{months}"].to_numpy() < 0.999
        shape = np.quantile((luck / expected)[counted], (np.arange(40) + 0.5) / 40)[None, :]
        curve = np.zeros((loans.height, len(AHEAD)))
        curve[held.rows, place] = expected
        bounds = [curve * np.quantile((luck / expected)[counted], level) for level in (0.05, 0.95)]
        outlook = Outlook(AHEAD, curve, *bounds, np.zeros(loans.height, dtype=np.int64))
        valued = valuation.value(outlook, loans["balance"].to_numpy(), GIVEN)
        ahead = secured.combine(valued, held, shape / shape.mean(), GIVEN)[0].outlook
        inside = (came >= ahead.lower[held.rows, place] - 1e-9) & (came <= ahead.upper[held.rows, place] + 1e-9)
        assert 0.85 < inside.mean() < 0.95, months


def test_shapes_of_secured_loans_are_draws_around_their_mean(held, loans):
    outlook = debtors(np.full(loans.height, 0.1))
    shapes = np.sort(np.random.default_rng(1).gamma(0.5, 2.0, (3, 50)), axis=1)
    shapes /= shapes.mean(axis=1, keepdims=True)
    valued = valuation.value(outlook, loans["balance"].to_numpy(), GIVEN)
    combined, extended = secured.combine(valued, held, shapes, GIVEN)
    assert extended.shape == (3 + len(held.rows), 50)
    assert (extended[:3] == shapes).all()
    np.testing.assert_allclose(extended.mean(axis=1), 1.0)
    assert (np.diff(extended, axis=1) >= -1e-9).all()
    assert sorted(combined.outlook.shape[held.rows]) == list(range(3, 3 + len(held.rows)))
    most = extended[combined.outlook.shape[held.rows], -1] * combined.rate[held.rows]
    assert most.max() < 1.03, "a secured loan's draw is a share of its claim"


def test_loans_without_collateral_keep_their_values_to_the_bit(held, loans):
    valued = valuation.value(debtors(np.linspace(0, 0.5, loans.height)), loans["balance"].to_numpy(), GIVEN)
    combined, _ = secured.combine(valued, held, np.ones((1, 1)), GIVEN)
    others = np.setdiff1d(np.arange(loans.height), held.rows)
    assert len(others) == 10
    for name, column in valued.columns().items():
        assert (combined.columns()[name][others] == column[others]).all(), name
    assert (combined.curve[others] == valued.curve[others]).all()
    assert secured.read(loans[others], pl.LazyFrame()) is None


def test_a_layer_of_a_sale_by_hand():
    held = one(value=100.0, prior=20.0, claim=50.0)  # sales leave 30 and 60, of which we get 30 and 50
    np.testing.assert_allclose(held.share[0], [0, 0.4 * 0.6, *[0.4 * 0.6 + 0.4] * 4])
    np.testing.assert_allclose(held.steps[0], [50, 50 - 50, (0.8 - 1) * 50, 0.4 * 30 + 0.4 * 50 - 40])
    rate = priced(held, rate=0.1).rate
    np.testing.assert_allclose(rate, 0.64 + 0.36 * 0.1)


SALES = st.lists(st.tuples(SHARES, st.floats(0.1, 119.0)), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(SALES, MONEY, MONEY, st.floats(1.0, 1e7), SHARES)
@example([(0.5, 1.0)], 0.005, 0.003, 1.0, 1.0)
def test_look_ups_in_the_sales_are_the_plain_mean(sales, value, prior, claim, sold):
    net, months = (np.array(column) for column in zip(*sales, strict=True))
    held = one(value, prior, claim, net, months, np.full(len(net), sold / len(net)))
    paid = np.clip(value * net - prior, 0, claim) / claim
    plain = [(sold / len(net) * paid * (months <= h)).sum() for h in AHEAD]
    np.testing.assert_allclose(held.share[0], plain, atol=1e-6)
    assert (np.diff(held.share[0]) >= 0).all() and held.share[0, -1] <= 1
    assert held.steps.sum() == pytest.approx(held.share[0, -1] * claim, abs=1e-6 * claim)


@settings(max_examples=200, deadline=None)
@given(SALES, MONEY, MONEY, st.floats(1.0, 1e7), SHARES, SHARES, st.floats(1.0, 3.0))
def test_more_value_is_worth_more_and_prior_claims_costs_and_delay_less(sales, value, prior, claim, sold, rate, factor):
    net, months = (np.array(column) for column in zip(*sales, strict=True))
    chance = np.full(len(net), sold / len(net))

    def worth(value=value, prior=prior, net=net, months=months):
        valued = priced(one(value, prior, claim, net, months, chance), rate)
        assert 0 <= valued.outlook.lower[0, -1] <= valued.rate[0] <= valued.outlook.upper[0, -1] <= 1 + 1e-9
        assert (np.diff(valued.curve) >= -1e-9).all()
        return np.array([valued.expected[0], valued.npv[0]])

    base, slack = worth(), 1e-6 * claim
    assert (worth(value=value * factor) >= base - slack).all()
    assert (worth(prior=prior * factor + factor - 1) <= base + slack).all()
    assert (worth(net=net / factor) <= base + slack).all()
    assert (worth(months=months * factor) <= base + slack).all()


def test_collateral_cash_pays_no_collection_fee():
    sale = {"value": 100.0, "claim": 100.0, "net": (0.5,), "months": (10.0,), "chance": (1.0,)}
    kept = priced(one(**sale), rate=0.0).worth[0]
    discount = (1 + GIVEN.required_return) ** (-9 / 12)
    assert kept == pytest.approx(50 * discount), "cash of months 6 to 12 comes in their middle"


def _home(tmp_path_factory, worked, world):
    """A copy of the worked home whose lake has auctions."""
    import shutil

    root = tmp_path_factory.mktemp("with_auctions") / "home"
    shutil.copytree(worked.root, root)
    home = Home(root)
    Lake(home).ingest(world.feeds["litigation"], "canonical", "litigation")
    return home


@pytest.fixture(scope="module")
def mixed(worked, world, tmp_path_factory):
    """Prices of a tape of both kinds of loans."""
    folder = tmp_path_factory.mktemp("mixed")
    pl.read_csv(world.tape, infer_schema=False).tail(70).vstack(
        pl.read_csv(world.tape, infer_schema=False).head(10)
    ).write_csv(folder / "tape.csv")
    home = _home(tmp_path_factory, worked, world)
    result = tape.price(home, folder / "tape.csv", "canonical", folder / "out", GIVEN, progress=lambda line: None)
    return home, folder / "tape.csv", result


def test_a_tape_of_both_kinds_is_priced_with_reasons_that_name_the_collateral(mixed):
    _, path, result = mixed
    prices, rows = pl.read_parquet(result.prices), pl.read_csv(path)
    assert prices["loan_id"].equals(rows["loan_id"])
    behind = rows["collateral_type"].is_not_null()
    assert behind.sum() == 70
    rate = (prices["expected_recovery"] / prices["balance"]).filter(behind)
    assert rate.mean() > 0.3 > prices["recovery_rate"].filter(~behind).mean()
    told = prices.select(
        pl.concat_list("reason_1", "reason_2", "reason_3").list.eval(pl.element().str.split(" ").list[0])
    )
    names = told.to_series().to_list()
    for row, has in enumerate(behind):
        assert (set(names[row]) <= set(STEPS)) == has
        assert not has or "collateral_value" in names[row]
    report = result.portfolio["secured"]
    assert sum(part["loans"] for part in report) == 70
    assert sum(part["expected_recovery"] for part in report) == pytest.approx(
        prices.filter(behind)["expected_recovery"].sum()
    )
    assert all(0 < part["from_collateral"] <= part["expected_recovery"] for part in report)


def test_the_other_loans_of_the_tape_are_priced_as_if_they_were_alone(mixed, tmp_path):
    home, path, result = mixed
    pl.read_csv(path, infer_schema=False).tail(10).drop(
        "collateral_type", "collateral_value", "collateral_region", "prior_claims"
    ).write_csv(tmp_path / "plain.csv")
    alone = tape.price(home, tmp_path / "plain.csv", "canonical", tmp_path / "out", GIVEN, progress=lambda line: None)
    assert pl.read_parquet(alone.prices).equals(pl.read_parquet(result.prices).tail(10))
    assert "secured" not in alone.portfolio


def test_a_price_by_id_names_the_collateral_that_it_leaves_out(worked, mixed, world, tmp_path_factory):
    home, path = _home(tmp_path_factory, worked, world), mixed[1]
    door = FeatureDoor(home)
    door.lake.ingest(path, "canonical", "loans")
    door.refresh()
    door.materialize(datetime(2026, 1, 31, tzinfo=UTC))
    rows = pl.read_csv(path)[[0, -1]]
    found = registry.load(home, "recovery")
    asked = PriceRequest(loan_ids=rows["loan_id"].to_list(), moment="2026-01-31T00:00:00Z")
    answers = turn.alone(Pricing(home, found.package.rows, found.label).price, asked).loans
    assert [answer.collateral_type for answer in answers] == rows["collateral_type"].to_list()
    assert answers[0].collateral_type is not None and answers[1].collateral_type is None


def test_secured_loans_without_auctions_are_an_error_that_says_what_to_take_in(worked, mixed, tmp_path):
    with pytest.raises(RecoupError, match=r"no sale at an auction is known by 2025-12-31.*--feed litigation"):
        tape.price(worked, mixed[1], "canonical", tmp_path / "out", GIVEN, progress=lambda line: None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"collateral_type": None}, "without collateral_type"),
        ({"collateral_value": None}, "collateral_type without collateral_value"),
        ({"collateral_type": "castle"}, "must be one of: residential"),
        ({"prior_claims": "-1"}, "prior_claims: must be at least 0"),
        ({"collateral_value": "-5"}, "collateral_value: must be at least 0"),
    ],
)
def test_collateral_that_makes_no_sense_is_refused_with_the_loans_id(world, tmp_path, changes, reason):
    row = pl.read_csv(world.tape, infer_schema=False).tail(1)
    row.with_columns(pl.lit(value, pl.String).alias(name) for name, value in changes.items()).write_csv(
        tmp_path / "t.csv"
    )
    (rows,) = intake.read_feeds(tmp_path / "t.csv", mapping.load("canonical"))
    assert reason in rows.rejected["reason"].item()
    assert rows.rejected["loan_id"].item() == row["loan_id"].item()
