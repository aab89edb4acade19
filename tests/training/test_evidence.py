"""Splits and metrics: what the evidence rests on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import RecoupError
from training import metrics, split


@given(st.lists(st.integers(0, 60), min_size=12, max_size=200).filter(lambda days: len(set(days)) > 4))
def test_a_split_is_by_time_and_keeps_entities_whole(days):
    entity = np.repeat(np.arange(len(days)), 3)
    order = np.repeat(np.array(days), 3)
    parts = split.by_time(order, entity)
    assert not (parts.fit & parts.validate).any() and (parts.fit | parts.validate | parts.test).all()
    assert order[parts.train].max() < order[parts.test].min()
    if parts.fit.any():
        assert order[parts.fit].max() < order[parts.validate].min()
    assert not set(entity[parts.train]) & set(entity[parts.test])
    assert parts.test.mean() >= split.TEST_SHARE


def test_rows_of_one_day_cannot_be_split():
    with pytest.raises(RecoupError, match="same time"):
        split.by_time(np.zeros(10), np.arange(10))


def test_recovery_metrics_on_a_case_worked_by_hand():
    found = metrics.recovery(
        realised=np.array([0.0, 0.1, 0.2, 0.3, 0.4]),
        scores=np.array([0.1, 0.1, 0.2, 0.3, 0.5]),
        balance=np.array([1.0, 1.0, 1.0, 1.0, 6.0]),
    )
    assert found["predicted_over_actual"] == pytest.approx(3.7 / 3.0)
    assert found["top_fifth_lift"] == pytest.approx(0.4 / 0.3)
    assert found["mae"] == pytest.approx(0.04)


def test_a_constant_score_has_no_rank_and_no_lift():
    found = metrics.recovery(np.array([0.0, 0.5, 0.1]), np.full(3, 0.2), np.ones(3))
    assert found["spearman"] == 0.0 and found["top_fifth_lift"] == 1.0
