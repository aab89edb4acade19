"""The thresholds file covers every input, and says what is wrong with itself."""

from dataclasses import asdict

import numpy as np
import polars as pl
import pytest
import yaml

from features.errors import RecoupError
from features.home import Home
from features.repository import SERVICES
from features.store import FeatureDoor
from monitoring.drift import compare
from monitoring.thresholds import SCORE, SHIPPED, Rule, Thresholds, Within

MODELS = {"recovery": "recovery_v1", "contact": "contact_v2"}


@pytest.mark.parametrize(("model", "service"), MODELS.items())
def test_every_input_resolves_to_a_method_and_a_threshold(model, service, tmp_path):
    columns = [asdict(column) for column in FeatureDoor(Home(tmp_path)).columns(service)]
    rules = {rule.column: rule for rule in Thresholds.load().rules(model, columns)}
    assert list(rules) == [name for names in SERVICES[service].values() for name in names] + [SCORE]
    for column in columns:
        rule = rules[column["name"]]
        assert rule.method and rule.threshold > 0 and rule.missing > 0
        assert rule.kind == column["kind"]
        assert rule.skip is None or len(rule.skip) > 10


def test_every_entry_is_about_an_input():
    inputs = {f"{model}.{name}" for model, service in MODELS.items()
              for names in SERVICES[service].values() for name in names}  # fmt: skip
    plain = {name.split(".")[1] for name in inputs}
    columns = Thresholds.load().columns
    assert set(columns) <= inputs | plain | {SCORE}
    assert {entry.within.by for entry in columns.values() if entry.within} <= plain


def test_a_models_own_entry_goes_before_the_columns_and_the_kinds(tmp_path):
    content = yaml.safe_load(SHIPPED.read_text())
    content["columns"] = {
        "balance": {"threshold": 2, "why": "all"},
        "contact.balance": {"threshold": 3, "method": "psi", "why": "one"},
    }
    thresholds = Thresholds.load(written(tmp_path, content))
    columns = [{"name": "balance", "kind": "number"}]
    ours, theirs = (thresholds.rules(model, columns)[0] for model in ("contact", "recovery"))
    assert (ours.method, ours.threshold) == ("psi", 3)
    assert (theirs.method, theirs.threshold) == ("wasserstein", 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kinds": None}, "kinds"),
        (
            {"columns": {"balance": {"method": "ks", "why": "habit"}}},
            "columns.balance.method: .*'wasserstein'",
        ),
        ({"columns": {"balance": {"threshold": -1, "why": "typo"}}}, "columns.balance.threshold"),
        ({"columns": {"balance": {"skip": True}}}, "columns.balance.why: Field required"),
        ({"treshold": 1}, "treshold: Extra inputs"),
    ],
)
def test_a_fault_is_named_by_its_place(tmp_path, change, message):
    path = written(tmp_path, yaml.safe_load(SHIPPED.read_text()) | change)
    with pytest.raises(RecoupError, match=message):
        Thresholds.load(path)


@pytest.mark.parametrize("content", [b"fewest: [", b"\xff\xfe", b"just text"])
def test_an_unreadable_file_is_a_clear_error(tmp_path, content):
    path = tmp_path / "thresholds.yaml"
    path.write_bytes(content)
    with pytest.raises(RecoupError, match=str(path)):
        Thresholds.load(path)
    with pytest.raises(RecoupError, match=r"absent\.yaml"):
        Thresholds.load(tmp_path / "absent.yaml")


def test_a_method_for_numbers_is_refused_on_a_category(tmp_path):
    change = {"columns": {"product": {"method": "wasserstein", "why": "typo"}}}
    thresholds = Thresholds.load(written(tmp_path, yaml.safe_load(SHIPPED.read_text()) | change))
    with pytest.raises(RecoupError, match=r"recovery\.product is a category, which wasserstein cannot compare"):
        thresholds.rules("recovery", [{"name": "product", "kind": "category"}])


@pytest.mark.parametrize("method", ["wasserstein", "jensenshannon", "hellinger", "psi"])
def test_each_method_tells_equal_from_moved(method):
    random = np.random.default_rng(5)
    reference, same = (pl.DataFrame({"x": random.normal(size=2_000)}) for _ in range(2))
    rule = Rule("x", "number", method, threshold=0.35, missing=0.1)
    assert not any(found.alert for found in compare(reference, same, [rule], fewest=100, fewest_within=10).findings)
    moved = compare(reference, same + 2.0, [rule], fewest=100, fewest_within=10).findings
    assert [found.alert for found in moved] == [True, False]
    assert moved[0].value >= moved[0].threshold


def test_an_unknown_category_counts_as_missing():
    reference = pl.DataFrame({"c": ["a", "b"] * 200})
    current = pl.DataFrame({"c": ["a", "b", "missing", "missing"] * 100})
    rule = Rule("c", "category", "jensenshannon", threshold=0.1, missing=0.2)
    drift, missing = compare(reference, current, [rule], fewest=100, fewest_within=10).findings
    assert not drift.alert and drift.value == pytest.approx(0.0)
    assert missing.alert and missing.value == pytest.approx(0.5)


def test_what_moves_in_one_region_is_found_there_though_it_drowns_among_all():
    random = np.random.default_rng(5)
    region = pl.Series("region", random.choice([f"R{i}" for i in range(20)], 4_000))
    reference, current = (pl.DataFrame({"x": random.normal(size=4_000), "region": region}) for _ in range(2))
    hit = pl.when(pl.col("region") == "R7").then(pl.col("x") + 3).otherwise("x").alias("x")
    rules = [
        Rule("x", "number", "wasserstein", 0.35, missing=0.1, within=Within(by="region", threshold=1.0)),
        Rule("region", "category", "jensenshannon", threshold=0.2, missing=0.1),
    ]
    findings = compare(reference, current.with_columns(hit), rules, fewest=100, fewest_within=10).findings
    alerts = [found for found in findings if found.alert]
    assert [(found.column, found.test, found.within) for found in alerts] == [("x", "drift within", "R7")]
    calm = compare(reference, current, rules, fewest=100, fewest_within=10).findings
    assert not any(found.alert for found in calm)


def written(folder, content):
    path = folder / "thresholds.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
