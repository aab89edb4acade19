"""Plans asked of the dispatch service: made beside the answers as the command makes them."""

import io
import time
from datetime import UTC, date, datetime

import httpx
import polars as pl
import pytest
import yaml

from features.feeds.contacts import CHANNELS
from features.marts.columns import MISSING
from features.store import FeatureDoor
from serving import bento, server
from serving.access.keys import KeyRing
from serving.dispatch import candidates, plan
from serving.replay import rebuild
from serving.tasks.tasks import ENDED
from tests.serving.described import described_client
from training import registry

KEY = "a key for the tests' services"
DAY = "2026-01-01"
DESK = {
    "pools": {name: {"channel": name, "unit": "seats", "units": 2, "each": 3, "hours": [15, 16, 17]}
              for name in CHANNELS},
    "agencies": {"agency_1": {"commission": 0.2, "term_days": 120, "least": 5, "most": 40},
                 "agency_3": {"commission": 0.1, "term_days": 3_650, "least": 5, "most": 10}},
    "court": {"filings": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def served(worked):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_API_KEY", KEY)
        tag = bento.build(worked, registry.load(worked, "contact"))
        with server.running(worked, tag, server.free_port()) as url, described_client(url, KEY) as client:
            yield client


def ended(client, task_id):
    deadline = time.monotonic() + 120
    while (status := client.get(f"/plan/{task_id}").json())["state"] not in ENDED and time.monotonic() < deadline:
        time.sleep(0.2)
    return status


def test_a_plan_is_made_beside_the_answers_as_by_the_command(served, worked, tmp_path):
    placed = [{"loan_id": "L0000001", "agency": "agency_9", "placed_on": "2025-11-03"}]
    accepted = served.post("/plan", json={"date": DAY, "capacities": DESK, "placed": placed})
    assert accepted.status_code == 202
    place = accepted.headers["Location"]
    assert served.get(f"{place}/contacts").status_code == 409
    asked = {"loan_id": "L0000007", "moment": "2025-12-31T23:59:59Z"}
    assert served.post("/chance", json=asked).status_code == 200
    status = ended(served, accepted.json()["task_id"])
    assert status["state"] == "done" and len(status["steps"]) == plan.STEPS, status

    (tmp_path / "desk.yaml").write_text(yaml.safe_dump(DESK, sort_keys=False))
    (tmp_path / "placed.csv").write_text("loan_id,agency,placed_on\nL0000001,agency_9,2025-11-03\n")
    ours = plan.plan(
        worked, date.fromisoformat(DAY), tmp_path / "out", capacities=tmp_path / "desk.yaml",
        placed=tmp_path / "placed.csv", progress=lambda line: None,
    )  # fmt: skip
    told = served.get(f"{place}/result").json()
    assert told == ours.report | {"decision_id": status["decision_id"]}
    assert any(row["added_by_one_more"] > 0 for row in told["capacities"]) and told["refusals"]
    (demand,) = told["unmet"]  # nobody was placed as long ago as that term: nothing tells what the agency would bring
    assert demand.startswith("agency_3 is to have at least 5 debts a day: 0 could be placed")
    for name in ("contacts", "placements", "recalls", "filings", "refusals"):
        table = pl.read_parquet(io.BytesIO(served.get(f"{place}/{name}").content))
        by_command = pl.read_parquet(ours.folder / f"{'plan' if name == 'contacts' else name}.parquet")
        assert table.drop("decision_id", strict=False).equals(by_command.drop("decision_id", strict=False)), name
        assert name in ("recalls", "refusals") or table["decision_id"][0].startswith(status["decision_id"])
    assert pl.read_parquet(ours.folder / "recalls.parquet")["loan_id"].to_list() == ["L0000001"]
    assert "money is the same to the last bit" in rebuild(worked, f"{status['decision_id']}.contacts.3")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"date": "2026-02-30"}, "#/date"),
        ({"date": "9999-01-01"}, "#/date"),
        ({"day": DAY}, "#/day"),
        ({"capacities": {}}, "#/capacities/pools"),
        ({"capacities": {"pools": {"a": {"channel": "fax", "unit": "u", "units": 1, "each": 1, "hours": [9]}}}},
         "#/capacities/pools/a/channel"),
        ({"capacities": DESK | {"court": {"filings": -1}}}, "#/capacities/court/filings"),
        ({"capacities": DESK | {"agencies": {"n": {"commission": 0.1, "term_days": 9, "least": 5, "most": 4}}}},
         "#/capacities/agencies/n"),
        ({"capacities": DESK | {"agencies": {"n": {"commission": 0.1, "term_days": 10**9, "most": 4}}}},
         "#/capacities/agencies/n/term_days"),
        ({"placed": [{"loan_id": "secret", "agency": "n", "placed_on": "2025-01-01"}] * 2}, "#"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_field_and_leaves_nothing(served, worked, change, pointer):
    kept = sorted(worked.plans.glob("*"))
    refused = served.post("/plan", json={"date": DAY} | change)
    assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == pointer
    assert "secret" not in refused.text
    assert sorted(worked.plans.glob("*")) == kept


def test_a_debtor_whose_zone_is_unknown_has_slots_without_a_local_hour(served, worked):
    moment = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
    cases = candidates.cases(FeatureDoor(worked), moment)
    nowhere = cases.filter(pl.col("time_zone").fill_null(MISSING) == MISSING)["loan_id"].head(5)
    asked = [{"loan_id": loan, "moment": moment.isoformat()} for loan in nowhere]
    answers = [served.post("/next_contact", json=question) for question in asked]
    assert [answer.status_code for answer in answers] == [200] * 5
    slots = [slot for answer in answers for slot in answer.json()["slots"]]
    assert slots and {slot["local_hour"] for slot in slots} == {None}


def test_a_day_without_loans_fails_with_what_is_wrong(served):
    status = ended(served, served.post("/plan", json={"date": "2001-01-01"}).json()["task_id"])
    assert status["state"] == "failed" and "no loan was known by 2001-01-01" in status["error"]


def test_a_plan_is_its_keys_own_and_can_be_stopped(served, worked):
    ring = KeyRing(worked)
    others = {scope: {"Authorization": f"Bearer {ring.make([scope], None)[1]}"} for scope in ("dispatch", "price")}
    task_id = served.post("/plan", json={"date": DAY}).json()["task_id"]
    assert served.get(f"/plan/{task_id}", headers=others["dispatch"]).status_code == 404
    assert served.post("/plan", json={"date": DAY}, headers=others["price"]).status_code == 403
    assert served.delete(f"/plan/{task_id}").json()["state"] == "cancelled"
    assert served.delete(f"/plan/{task_id}").status_code == 409
    assert httpx.post(f"{served.base_url}/plan", json={"date": DAY}).status_code == 401
