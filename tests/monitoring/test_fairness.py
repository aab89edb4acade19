"""Fairness on people whose true chances are known: an unfair score is named, a fair one is not, small groups too."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from monitoring.validation.checks import fairness
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Verdict

LARGE, SMALL = ("NY", "OH", "PA", "TX"), ("AK", "HI", "ID", "ME", "VT", "WY")
BANDS = ("under 30", "30 to 44", "45 to 59", "60 and over")


def evidence(seed: int, people: int = 1_200, times: int = 3) -> Evidence:
    """Draw contacts of people; the score is the true chance. One in a hundred lives in each small region."""
    rng = np.random.default_rng(seed)
    region = rng.choice(LARGE + SMALL, people, p=[0.235] * 4 + [0.01] * 6)
    sex, band = rng.choice(["female", "male"], people), rng.choice(BANDS, people)
    chance = 1 / (1 + np.exp(-rng.normal(-1.2 + 0.5 * (band == "60 and over"), 0.8)))
    who = np.repeat(np.arange(people), times)
    came = (rng.random(len(who)) < chance[who]).astype(float)
    rows = pl.DataFrame({"borrower_id": who.astype(str), "entity": who, "judged": True})
    return Evidence(
        version=None, tested=None, metrics={}, truth=None, lake="",
        learner=SimpleNamespace(rows=rows, task=SimpleNamespace(link="logistic")),
        parts=SimpleNamespace(test=np.ones(len(who), bool)),
        table=pl.DataFrame({"realised": came, "score": chance[who], "weight": np.ones(len(who))}),
        people=pl.DataFrame({"age band": band[who], "region": region[who], "sex": sex[who]}),
    )  # fmt: skip


def unfair(found: Evidence, attribute: str, labels: tuple[str, ...], multiple: float) -> Evidence:
    """Return the evidence with the scores of some people multiplied."""
    wronged = found.people[attribute].is_in(labels)
    score = pl.when(wronged).then(pl.col("score") * multiple).otherwise("score").clip(0, 1)
    return replace(found, table=found.table.with_columns(score))


def test_fair_scores_raise_few_alarms_however_many_groups_are_looked_at(monkeypatch):
    monkeypatch.setattr(fairness.drawing, "drawn", lambda *given, **more: None)  # twenty plots that nobody looks at
    verdicts = [fairness.run(evidence(seed)).verdict for seed in range(20)]
    assert verdicts.count(Verdict.GREEN) >= 18
    assert Verdict.RED not in verdicts


@pytest.mark.parametrize(
    ("attribute", "labels"), [("sex", ("female",)), ("age band", ("60 and over",)), ("region", ("OH",))]
)
def test_a_wronged_group_is_named_and_no_other(attribute, labels):
    found = fairness.run(unfair(evidence(1), attribute, labels, 0.4))
    assert found.verdict == Verdict.RED
    assert f"{attribute} {labels[0]}" in found.says and found.figures["gravest"] > fairness.OFF_RED
    worst = min(found.tables[0].rows, key=lambda row: row[2])
    assert worst[0] == f"{attribute} {labels[0]}" and worst[4] < 1


def test_small_regions_are_judged_together_and_that_is_said():
    found = fairness.run(evidence(2))
    lines = [row for row in found.tables[0].rows if row[0].startswith("region ") and ", " in row[0]]
    assert lines and all(row[1] >= 60 for row in lines)
    assert {name for row in lines for name in row[0].removeprefix("region ").split(", ")} == set(SMALL)
    assert "stand together" in found.tables[0].says
    wronged = fairness.run(unfair(evidence(2), "region", SMALL, 0.2))
    assert wronged.verdict == Verdict.RED and lines[0][0] in wronged.says


def test_people_of_one_group_or_of_none_are_not_compared():
    plain = evidence(3, people=100)
    people = plain.people.with_columns(pl.lit(None, pl.String).alias("region"), sex=pl.lit("male"))
    found = fairness.run(replace(plain, people=people))
    assert found.figures["unknown_attributes"] == 2 and "region, sex" in found.says
    assert all(row[0].startswith("age band") for row in found.tables[0].rows)


def test_mitigation_costs_nothing_where_scores_are_wrong_and_something_where_outcomes_differ():
    wronged = {row[0]: row[1:] for row in fairness.run(unfair(evidence(4), "sex", ("female",), 0.4)).tables[1].rows}
    assert wronged["sex"][0] < -0.02 and wronged["sex"][1] > 1.02  # order and money are won
    fair = {row[0]: row[1:] for row in fairness.run(evidence(4)).tables[1].rows}
    assert abs(fair["sex"][0]) < 0.01
    assert fair["age band"][1] < 0.995  # the old are reached more often: equal shares forgo that
