"""The services' row path: a loan by id and by the features that a caller sends, journalled, and made again."""

import numpy as np
import orjson
import polars as pl
import pytest

from features.errors import RecoupError
from features.store import FeatureDoor
from serving.http.operation import answered
from serving.journal import Journal
from serving.pricing.answers import Pricing
from serving.refusals import Unfit, UnknownLoan
from serving.schemas import GivenRequest, PricedLoan, PriceRequest
from serving.scoring import Inputs, Scorer, frame_of, replay
from training import registry
from training.row_model import RowScore

MOMENT = "2025-12-31T23:59:59Z"
LOANS = ["L0000007", "L0001500", "L0000123"]


@pytest.fixture(scope="module")
def package(worked):
    return registry.load(worked, "recovery").package


@pytest.fixture(scope="module")
def pricing(worked, package):
    return Pricing(worked, package.rows, "recovery/1")


@pytest.fixture(scope="module")
def by_id(pricing):
    return pricing.price(PriceRequest(loan_ids=LOANS, moment=MOMENT)).loans


def asked(record: dict, **changed) -> GivenRequest:
    features = {name: value for name, value in record["features"].items() if name != "horizon_months"}
    return GivenRequest(reference="ours", currency="USD", features=features | changed)


def test_a_row_read_alone_holds_what_the_door_reads_in_columns(worked, package, by_id):
    record = Journal(worked).find(by_id[0].decision_id)
    (found,) = FeatureDoor(worked).online("recovery_v1", moments(LOANS[:1])).frame.to_dicts()
    assert record["features"] == {name: found[name] for name in package.names}


def test_a_price_by_id_is_what_the_package_says_of_the_same_features(worked, package, by_id):
    for answer in by_id:
        record = Journal(worked).find(answer.decision_id)
        outlook = package.outlook(frame_of(record["features"], package))
        for side in ("lower", "upper"):
            ours = [getattr(point, side) for point in answer.outlook]
            assert np.abs(np.array(ours) - getattr(outlook, side)[0]).max() < 1e-12
        assert abs(answer.recovery_rate - outlook.rate[0]) < 1e-12


def test_given_features_are_priced_as_those_that_are_read_and_both_replay(worked, package, pricing, by_id):
    for answer in by_id:
        record = Journal(worked).find(answer.decision_id)
        given = pricing.price_given(asked(record))
        same = ("recovery_rate", "recovery_rate_upper", "owed", "npv", "price", "outlook", "reasons", "base_effect")
        assert all(getattr(given, name) == getattr(answer, name) for name in same)
        for decision in (record, Journal(worked).find(given.decision_id)):
            again = replay(decision, package)
            assert again.same_score and again.same_contributions


def test_answers_are_what_their_schema_says_though_it_does_not_make_them(worked, pricing, by_id):
    record = Journal(worked).find(by_id[0].decision_id)
    for answer in (*by_id, pricing.price_given(asked(record))):
        body = answered(answer).body
        assert PricedLoan.model_validate_json(body) == answer and set(orjson.loads(body)) == set(
            PricedLoan.model_fields
        )


def test_what_has_no_finite_value_is_refused_and_not_journalled(worked, package, pricing, by_id):
    record, written = Journal(worked).find(by_id[0].decision_id), size(worked)
    for balance, collected in ((None, 0.0), (1e308, -1e308)):
        with pytest.raises(Unfit, match="balance"):
            pricing.price_given(asked(record, balance=balance, collected_share=collected))
    scorer, inputs = Scorer(package.rows, "recovery/1", Journal(worked)), Inputs(np.zeros(1), {}, {}, {})
    for score in (float("nan"), float("inf")):
        with pytest.raises(RecoupError, match="no finite score"):
            scorer.decide("price", "L1", inputs, 1.0, RowScore(score, 0.0, np.zeros(1), None), {})
    assert size(worked) == written


def test_a_category_never_seen_and_an_unknown_number_replay_too(worked, package, pricing, by_id):
    record = Journal(worked).find(by_id[0].decision_id)
    given = pricing.price_given(asked(record, product="never seen", credit_score=None, collected_share=None))
    decision = Journal(worked).find(given.decision_id)
    assert decision["features"]["product"] == "never seen" and decision["features"]["credit_score"] is None
    again = replay(decision, package)
    assert again.same_score and again.same_contributions
    assert given.owed == decision["features"]["balance"]


def test_features_that_are_not_the_models_are_refused_by_name(worked, pricing, by_id):
    record = Journal(worked).find(by_id[0].decision_id)
    whole = asked(record).features
    wrong = {name: value for name, value in whole.items() if name != "balance"} | {"surprise": 1.0, "product": 3.0}
    with pytest.raises(Unfit) as refused:
        pricing.price_given(GivenRequest(currency="USD", features=wrong | {"credit_score": "high"}))
    assert set(refused.value.wrong) == {"balance", "surprise", "product", "credit_score"}


def test_an_unknown_loan_is_refused_before_anything_is_journalled(worked, pricing):
    before = size(worked)
    with pytest.raises(UnknownLoan) as refused:
        pricing.price(PriceRequest(loan_ids=[LOANS[0], "L404"], moment=MOMENT))
    assert refused.value.row == 1
    assert size(worked) == before


def size(home) -> int:
    return sum(path.stat().st_size for path in home.journal.glob("*.jsonl"))


def moments(loans: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"loan_id": loans}).with_columns(
        pl.lit(MOMENT).str.to_datetime(time_unit="us", time_zone="UTC").alias("moment"),
        pl.lit(120.0).alias("horizon_months_asked"),
    )
