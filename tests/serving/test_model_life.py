"""A service follows the registry: versions change, are refused, are tried, without a question dropped."""

import time
from dataclasses import replace

import httpx
import mlflow
import polars as pl
import pytest

from features.errors import RecoupError
from serving import bento, server
from serving.scoring import replay
from serving.versions import admission
from serving.versions.lineup import Rule, place
from serving.versions.releases import Releases
from tests.serving.load import journalled, under_load
from training import aliases, registry

KEY = "a key for the tests' services"
ALIAS = "production"
SHARE, SHADOW_SHARE = 0.3, 0.4
BODY = {"moment": "2025-12-31T23:59:59Z"}
LOANS = [f"L{number:07d}" for number in range(1, 61)]


def variant(package, factor):
    """Return the model with recoveries times a factor: another model of the same inputs, without a fit."""
    shares = [factor * share for share in package.card.curve["shares"]]
    changed = replace(package, card=replace(package.card, curve=package.card.curve | {"shares": shares}))
    scores = pl.Series("score", changed.scores(package.reference))
    return replace(changed, reference=package.reference.with_columns(scores))


def register(home, package, folder, damaged=False):
    """Register a package as `training.registry.register` does after a fit; returns its version."""
    client = mlflow.MlflowClient(f"sqlite:///{home.mlflow / 'mlflow.db'}")
    run = client.create_run(client.get_experiment_by_name("recoup").experiment_id)
    package.save(folder)
    if damaged:
        content = bytearray((folder / "model.cbm").read_bytes())
        content[len(content) // 2] ^= 0xFF
        (folder / "model.cbm").write_bytes(content)
    client.log_artifacts(run.info.run_id, str(folder), aliases.PACKAGE)
    tags = {registry.FINGERPRINT: package.fingerprint}
    return client.create_model_version("recovery", run.info.artifact_uri, run.info.run_id, tags=tags).version


def point(home, alias, version):
    mlflow.MlflowClient(f"sqlite:///{home.mlflow / 'mlflow.db'}").set_registered_model_alias("recovery", alias, version)


def versions(entries):
    return [body["loans"][0]["model_version"] for _, _, status, body in entries if status == 200]


@pytest.fixture(scope="module")
def following(another_home):
    """A service that follows an alias, in a home of its own; gives the home, the address and the Bento's tag."""
    home = another_home()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_API_KEY", KEY)
        patch.setenv("RECOUP_FOLLOW", ALIAS)
        patch.setenv("RECOUP_FOLLOW_SECONDS", "0.3")
        patch.setenv("RECOUP_CHALLENGER_SHARE", str(SHARE))
        patch.setenv("RECOUP_SHADOW_SHARE", str(SHADOW_SHARE))
        registered = registry.load(home, "recovery")
        point(home, ALIAS, registered.version)
        tag = bento.build(home, registered)
        with server.running(home, tag, server.free_port()) as url:
            yield home, url, tag


def models(url):
    return httpx.get(f"{url}/models", headers={"Authorization": f"Bearer {KEY}"}, timeout=30).json()


def wait_for(url, true_of):
    end = time.monotonic() + 60
    while not true_of(found := models(url)):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


def test_a_promoted_version_takes_over_under_load_and_the_former_comes_back(following, tmp_path):
    home, url, _ = following
    first = registry.load(home, "recovery", ALIAS)
    second = register(home, variant(first.package, 0.8), tmp_path / "second")
    with under_load(url, KEY, BODY, LOANS) as load:
        load.wait_until(lambda entry: versions([entry]) == [first.label])
        point(home, ALIAS, second)
        load.wait_until(lambda entry: versions([entry]) == [f"recovery/{second}"])
        assert models(url)["former"] == first.label
        kept = sorted(path.name for path in (home.releases / "recovery").glob("[!.]*"))  # no half-written file
        point(home, ALIAS, first.version)
        load.wait_until(lambda entry: versions([entry]) == [first.label])
    assert [entry for entry in load.seen if entry[2] != 200] == []
    assert set(versions(load.seen)) == {first.label, f"recovery/{second}"}
    assert sorted(path.name for path in (home.releases / "recovery").glob("[!.]*")) == kept
    records = journalled(home)
    packages = {label: registry.load(home, *label.split("/")).package for label in set(versions(load.seen))}
    for _, loan, _, body in load.seen:
        (answer,) = body["loans"]
        record = records[answer["decision_id"]]
        assert (record["subject"], record["model_version"], record["role"]) == (
            loan,
            answer["model_version"],
            "champion",
        )
    for _, _, _, body in load.seen[:: len(load.seen) // 20]:
        record = records[body["loans"][0]["decision_id"]]
        assert replay(record, packages[record["model_version"]]).same_score


def test_a_corrupt_version_is_refused_and_the_old_one_answers(following, tmp_path):
    home, url, _ = following
    old = registry.load(home, "recovery", ALIAS)
    version = register(home, variant(old.package, 0.7), tmp_path / "damaged", damaged=True)
    with under_load(url, KEY, BODY, LOANS[:5]) as load:
        point(home, ALIAS, version)
        found = wait_for(url, lambda found: found["refused"])
        load.wait_until(lambda entry: entry[2] == 200)
    assert [refused["model_version"] for refused in found["refused"]] == [f"recovery/{version}"]
    assert found["in_force"]["champion"] == old.label and set(versions(load.seen)) == {old.label}
    shown = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {KEY}"}).text
    assert f'recoup_model_refusals_total{{version="recovery/{version}"}} 1.0' in shown
    point(home, ALIAS, old.version)


def test_a_challenger_answers_its_share_and_a_shadow_is_only_journalled(following, tmp_path):
    home, url, _ = following
    champion = registry.load(home, "recovery", ALIAS)
    version = register(home, variant(champion.package, 0.9), tmp_path / "third")
    point(home, "challenger", version)
    challenger = f"recovery/{version}"
    wait_for(url, lambda found: found["in_force"].get("shadow") == challenger)
    headers, before = {"Authorization": f"Bearer {KEY}"}, set(journalled(home))
    loans = httpx.post(f"{url}/price", json=BODY | {"loan_ids": LOANS}, headers=headers, timeout=30).json()["loans"]
    shadowed = {loan for loan in LOANS if SHARE <= place("recovery", loan) < SHARE + SHADOW_SHARE}
    end = time.monotonic() + 30
    while len(new := [record for key, record in journalled(home).items() if key not in before]) < 60 + len(shadowed):
        assert time.monotonic() < end, len(new)
        time.sleep(0.1)
    assert [loan["loan_id"] for loan in loans] == LOANS
    tried = {loan for loan in LOANS if place("recovery", loan) < SHARE}
    assert tried and shadowed and len(tried | shadowed) < len(LOANS)
    by_role = {
        role: {r["subject"]: r for r in new if r["role"] == role} for role in ("champion", "challenger", "shadow")
    }
    assert {role: set(records) for role, records in by_role.items()} == {
        "champion": set(LOANS) - tried, "challenger": tried, "shadow": shadowed,
    }  # fmt: skip
    for loan in loans:
        role = "challenger" if loan["loan_id"] in tried else "champion"
        assert loan["model_version"] == (challenger if role == "challenger" else champion.label)
        assert loan["decision_id"] == by_role[role][loan["loan_id"]]["decision_id"]
    assert {record["model_version"] for record in by_role["shadow"].values()} == {challenger}
    unknown = httpx.post(f"{url}/price", json=BODY | {"loan_ids": [*LOANS[:9], "L404"]}, headers=headers)
    assert unknown.json()["errors"][0]["pointer"] == "#/loan_ids/9"
    nobody = next(name for n in range(99) if SHARE <= place("recovery", name := f"L4{n}") < SHARE + SHADOW_SHARE)
    known, before = min(shadowed), len(journalled(home))
    for loan, status in ((nobody, 404), (known, 200)):
        assert httpx.post(f"{url}/price", json=BODY | {"loan_ids": [loan]}, headers=headers).status_code == status
    while len(journalled(home)) < before + 2:
        assert time.monotonic() < end + 30
        time.sleep(0.1)
    told = httpx.get(f"{url}/metrics", headers=headers).text
    assert 'recoup_shadowed_total{outcome="journalled"}' in told and 'outcome="failed"' not in told, "what is refused"


def test_without_the_registry_the_version_in_force_answers_and_begins_anew(following, tmp_path):
    home, url, tag = following
    own = registry.load(home, "recovery", ALIAS)
    version = register(home, variant(own.package, 0.6), tmp_path / "fourth")
    database, away = home.mlflow / "mlflow.db", home.mlflow / "away.db"
    with under_load(url, KEY, BODY, LOANS[:5]) as load:
        point(home, ALIAS, version)
        wait_for(url, lambda found: found["in_force"]["champion"] == f"recovery/{version}")
        database.rename(away)
        try:
            assert "does not answer" in wait_for(url, lambda found: found["registry_unseen"])["registry_unseen"]
            gone = time.monotonic()
            with server.running(home, tag, server.free_port()) as another:
                assert models(another)["in_force"]["champion"] == f"recovery/{version}"
        finally:
            away.rename(database)
        wait_for(url, lambda found: not found["registry_unseen"])
    assert [entry for entry in load.seen if entry[2] != 200] == []
    assert set(versions(load.since(gone))) <= {f"recovery/{version}", *versions(load.seen)}


def test_a_kept_version_that_is_spoilt_is_taken_anew(following):
    home, _, _ = following
    named, releases = aliases.read(home, "recovery")[ALIAS], Releases(home, "recovery", bento.model_in)
    first, label = releases.load(named)
    for card in (home.releases / "recovery").glob("*/card.json"):
        card.write_text("{")
    again, same = releases.load(named)
    assert again.fingerprint == first.fingerprint == named.fingerprint and label == same


@pytest.mark.parametrize("wrong", ["fingerprint", "model", "service", "input", "order", "reference", "explanation"])
def test_what_is_not_as_registered_or_does_not_fit_is_not_let_in(worked, wrong):
    package = registry.load(worked, "recovery").package
    card, fingerprint = package.card, package.fingerprint
    admission.verify(package, "recovery", fingerprint)
    column, *others = card.columns
    changed, why = {
        "fingerprint": (variant(package, 0.5), "registered was"),
        "model": (replace(package, card=replace(card, name="contact")), "contact model"),
        "service": (replace(package, card=replace(card, service="recovery_v99")), "recovery_v99"),
        "input": (
            replace(package, card=replace(card, columns=[column | {"name": "made_up"}, *others])),
            "made_up",
        ),
        "order": (replace(package, card=replace(card, columns=[*others, column])), "order"),
        "reference": (
            replace(package, reference=package.reference.with_columns(pl.col("score") + 1e-6)),
            "otherwise than when it was trained",
        ),
        "explanation": (replace(package, shap=replace(package.shap, base=package.shap.base + 1e-6)), "explanations"),
    }[wrong]
    with pytest.raises(RecoupError, match=why):
        admission.verify(changed, "recovery", fingerprint)


def test_a_share_that_grows_keeps_whom_it_had():
    places = [place("recovery", f"L{number:07d}") for number in range(20_000)]
    for share in (0.01, 0.1, 0.5):
        assert sum(at < share for at in places) / len(places) == pytest.approx(share, abs=0.01)
    apart = [place("contact", f"L{number:07d}") for number in range(20_000)]
    both = sum(one < 0.5 and other < 0.5 for one, other in zip(places, apart, strict=True)) / len(places)
    assert both == pytest.approx(0.25, abs=0.015)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"RECOUP_CHALLENGER_SHARE": "0.2"}, "RECOUP_FOLLOW"),
        ({"RECOUP_FOLLOW": "x", "RECOUP_CHALLENGER_SHARE": "0.7", "RECOUP_SHADOW_SHARE": "0.7"}, "at most 1"),
        ({"RECOUP_FOLLOW": "x", "RECOUP_CHALLENGER_SHARE": "half"}, "'half'"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(monkeypatch, given, why):
    monkeypatch.delenv("RECOUP_FOLLOW", raising=False)
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(RecoupError, match=why):
        Rule.from_environment()
