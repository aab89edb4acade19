"""The thresholds file covers every input, and says what is wrong with itself."""

from dataclasses import asdict

import pytest
import yaml

from features.errors import RecoupError
from features.home import Home
from features.repository import SERVICES
from features.store import FeatureDoor
from monitoring.thresholds import SCORE, SHIPPED, Thresholds

MODELS = {"recovery": "recovery_v1", "contact": "contact_v3"}


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


def test_every_model_has_its_chunks():
    assert set(Thresholds.load().chunks) == {*MODELS, "feeds"}


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
        ({"false_alarms": 5}, "false_alarms: Input should be less than 1"),
        ({"chunks": {"contact": {"every": "1d", "reference": 9, "most": 9}}}, "chunks.contact.every: .*'1w'"),
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


def written(folder, content):
    path = folder / "thresholds.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
