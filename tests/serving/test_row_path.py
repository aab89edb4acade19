"""The services' row path: a loan by id and by the features that a caller sends, journalled, and made again."""

import numpy as np
import orjson
import polars as pl
import pytest

from features.errors import RecoupError
from features.store import FeatureDoor
from serving import turn
from serving.http.operation import answered
from serving.journal import Journal
from serving.pricing.answers import Pricing
from serving.refusals import TooEarly, Unfit, UnknownLoan
from serving.schemas import GivenRequest, PricedLoan, PriceRequest
from serving.scoring import Inputs, Scorer, frame_of, replay
from training import registry
from training.row_model import RowScores

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
    return turn.alone(pricing.price, PriceRequest(loan_ids=LOANS, moment=MOMENT)).loans


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
        given = turn.alone(pricing.price_given, asked(record))
        same = ("recovery_rate", "recovery_rate_upper", "owed", "npv", "price", "outlook", "reasons", "base_effect")
        assert all(getattr(given, name) == getattr(answer, name) for name in same)
        for decision in (record, Journal(worked).find(given.decision_id)):
            again = replay(decision, package)
            assert again.same_score and again.same_contributions


def test_answers_are_what_their_schema_says_though_it_does_not_make_them(worked, pricing, by_id):
    record = Journal(worked).find(by_id[0].decision_id)
    for answer in (*by_id, turn.alone(pricing.price_given, asked(record))):
        body = answered(answer).body
        assert PricedLoan.model_validate_json(body) == answer and set(orjson.loads(body)) == set(
            PricedLoan.model_fields
        )


def test_what_has_no_finite_value_is_refused_and_not_journalled(worked, package, pricing, by_id):
    record, written = Journal(worked).find(by_id[0].decision_id), size(worked)
    for balance, collected in ((None, 0.0), (1e308, -1e308)):
        with pytest.raises(Unfit, match="balance"):
            turn.alone(pricing.price_given, asked(record, balance=balance, collected_share=collected))
    scorer = Scorer(package.rows, "recovery/1", Journal(worked))
    inputs = Inputs(np.zeros((2, len(package.names))), {}, [{}] * 2, [{}] * 2)
    for score in (float("nan"), float("inf")):
        scored = RowScores(np.array([0.5, score]), 0.0, np.zeros((2, len(package.names))), None)
        with pytest.raises(RecoupError, match="not finite"):
            scorer.decide("price", ["L1", "L2"], inputs, np.ones(2), scored, [{}] * 2)
    assert size(worked) == written


def test_a_category_never_seen_and_an_unknown_number_replay_too(worked, package, pricing, by_id):
    record = Journal(worked).find(by_id[0].decision_id)
    strange = asked(record, product="never seen", credit_score=None, collected_share=None)
    given = turn.alone(pricing.price_given, strange)
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
        turn.alone(pricing.price_given, GivenRequest(currency="USD", features=wrong | {"credit_score": "high"}))
    assert set(refused.value.wrong) == {"balance", "surprise", "product", "credit_score"}


def test_an_unknown_loan_is_refused_before_anything_is_journalled(worked, pricing):
    before = size(worked)
    with pytest.raises(UnknownLoan) as refused:
        turn.alone(pricing.price, PriceRequest(loan_ids=[LOANS[0], "L404"], moment=MOMENT))
    assert refused.value.row == 1
    assert size(worked) == before


def test_who_ask_together_are_answered_as_alone_and_each_bears_his_own_refusal(worked, package, pricing, by_id):
    loans = [[LOANS[0]], ["L404"], LOANS[1:], [LOANS[0], "nobody"], LOANS]
    early = PriceRequest(loan_ids=LOANS[:1], moment="1999-01-01T00:00:00Z")
    requests = [*(PriceRequest(loan_ids=asked, moment=MOMENT) for asked in loans), early]
    before = lines(worked)
    one, unknown, two, partly, three, too_early = pricing.price(requests)
    assert [unknown.row, partly.row] == [0, 1] and isinstance(unknown, UnknownLoan) and isinstance(too_early, TooEarly)
    told = [by_id[0], *by_id[1:], *by_id]
    answered = [*one.loans, *two.loans, *three.loans]
    assert [bare(loan) for loan in answered] == [bare(loan) for loan in told]
    records = [Journal(worked).find(loan.decision_id) for loan in answered]
    assert [record["subject"] for record in records] == [loan.loan_id for loan in told]
    assert all(replay(record, package).same_contributions for record in records)
    assert lines(worked) == before + 6, "what is refused is not journalled"

    given = [asked(record) for record in records[:2]]
    first, unfit, second = pricing.price_given([given[0], given[0].model_copy(update={"features": {}}), given[1]])
    assert isinstance(unfit, Unfit) and "balance" in unfit.wrong
    for found, alone in zip((first, second), given, strict=True):
        assert bare(found) == bare(turn.alone(pricing.price_given, alone))


def bare(loan: PricedLoan) -> dict:
    """Return an answer but for its decision's name."""
    return loan.model_dump(exclude={"decision_id"})


def lines(home) -> int:
    return sum(path.read_bytes().count(b"\n") for path in home.journal.glob("*.jsonl"))


def size(home) -> int:
    return sum(path.stat().st_size for path in home.journal.glob("*.jsonl"))


def moments(loans: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"loan_id": loans}).with_columns(
        pl.lit(MOMENT).str.to_datetime(time_unit="us", time_zone="UTC").alias("moment"),
        pl.lit(120.0).alias("horizon_months_asked"),
    )
