"""A debtor's profile: what was known on a day and nothing later, masked, the same in JSON and on the page."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import polars as pl
import pytest
from typer.testing import CliRunner

from features.lake import Lake
from recoup.cli import app
from serving.access.keys import KeyRing
from serving.dispatch.application import SERVICE
from serving.dispatch.outcome import Outcomes
from serving.http.apart import REFUSED
from serving.http.app import create
from serving.journal import Journal
from serving.profile.__main__ import main
from serving.profile.output import as_json, as_page, tell
from serving.refusals import UnknownDebtor
from serving.schemas import OutcomeRequest
from serving.scoring import replay
from tests.serving.test_outcome import an_outcome
from training import registry

MIDDLE = datetime(2025, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def own(another_home):
    return another_home()


@pytest.fixture(scope="module")
def debtor(own):
    """Return a debtor whose story goes on after the middle: attempts and payments, before and after."""
    lake, after = Lake(own), pl.col("known_at") > MIDDLE
    owners = lake.scan("loans").select("loan_id", "borrower_id").unique()
    told = [
        lake.scan("contacts").select("borrower_id", "known_at"),
        lake.scan("payments").join(owners, on="loan_id").select("borrower_id", "known_at"),
    ]
    both = [rows.group_by("borrower_id").agg(late=after.sum(), early=(~after).sum()) for rows in told]
    busy = [rows.filter((pl.col("late") > 0) & (pl.col("early") > 0)) for rows in both]
    found = busy[0].join(busy[1], on="borrower_id").sort("borrower_id").collect()
    assert found.height
    return found["borrower_id"][0]


def figures(told):
    """Return a profile as JSON without what differs from run to run."""
    return json.loads(as_json(told), object_hook=lambda row: {k: v for k, v in row.items() if k != "decision_id"})


def test_nothing_that_was_learnt_later_shows(own, debtor):
    before = figures(tell(own, debtor, MIDDLE, False))
    lake = Lake(own)
    for feed, rows in (("contacts", before["contacts"]), ("payments", before["payments"])):
        key = "attempt_id" if feed == "contacts" else "payment_id"
        held = lake.scan(feed).filter(pl.col(key).is_in([row[key] for row in rows])).collect()
        assert rows and held.height == len(rows) and held["known_at"].max() <= MIDDLE
    mine = lake.scan("contacts").filter((pl.col("borrower_id") == debtor) & (pl.col("known_at") <= MIDDLE)).collect()
    assert mine.height == len(before["contacts"])
    now = figures(tell(own, debtor, datetime.now(UTC), False))
    assert len(now["contacts"]) > len(before["contacts"]) and len(now["payments"]) > len(before["payments"])

    # what is learnt now, even of the past, changes nothing of what was known then
    loan = before["debts"][0]["loan_id"]
    late = an_outcome(loan, "late-1") | {"attempted_at": (MIDDLE - timedelta(days=3)).isoformat()}
    Outcomes(own).take(OutcomeRequest.model_validate(late))
    assert figures(tell(own, debtor, MIDDLE, False)) == before
    assert len(figures(tell(own, debtor, datetime.now(UTC), False))["contacts"]) == len(now["contacts"]) + 1
    with pytest.raises(UnknownDebtor):
        tell(own, debtor, datetime(1999, 1, 1, tzinfo=UTC), False)


def test_scores_are_journalled_and_made_again_to_the_bit(own, debtor):
    told = tell(own, debtor, MIDDLE, False)
    scored = [debt["recovery"] for debt in told["debts"] if "recovery" in debt] + [told["windows"]["best"]]
    assert len(scored) > 1
    for one in scored:
        record = Journal(own).find(one["decision_id"])
        again = replay(record, registry.load(own, one["model_version"].split("/")[0]).package)
        assert again.same_score and again.same_contributions
        assert record["score"] == pytest.approx(one.get("recovery_rate", one.get("chance")), abs=1e-12)
    for found in told["windows"]["ways"]:
        chances = [chance for day in found["chance"] for chance in day if chance is not None]
        assert len(chances) == 7 * 13 and max(chances) == found["best"][0]["chance"]


def test_it_is_masked_unless_asked_otherwise_and_the_page_says_the_same(own, debtor, tmp_path, monkeypatch):
    monkeypatch.setenv("RECOUP_HOME", str(own.root))
    figures_file, page_file = tmp_path / "profile.json", tmp_path / "profile.html"
    asked = ["profile", debtor, "--moment", "2025-06-30", "--json", str(figures_file), "--page", str(page_file)]
    masked = CliRunner().invoke(app, asked)
    assert masked.exit_code == 0, masked.output
    told, page = figures_file.read_text(), page_file.read_text()
    points = Lake(own).scan("borrowers").filter(pl.col("borrower_id") == debtor).collect()
    tokens = {debtor, *points.select("name", "phone", "phone_alt", "email", "address").row(-1)} - {None}
    assert len(tokens) > 3
    assert not any(token in text for token in tokens for text in (told, page))
    held = json.loads(told)
    for debt in held["debts"]:
        assert debt["loan_id"] in page
    for attempt in held["contacts"]:
        assert attempt["attempted_at"][:16].replace("T", " ") in page
    assert "http" not in page.replace("http-equiv", "") and "Contact windows" in page
    whole = tell(own, debtor, MIDDLE, True)
    assert whole["borrower_id"] == debtor and debtor in as_page(whole)


def test_the_service_answers_it_to_who_may_dispatch(own, debtor, monkeypatch):
    monkeypatch.setenv("RECOUP_HOME", str(own.root))
    keys = {scope: KeyRing(own).make([scope], None)[1] for scope in ("dispatch", "explain")}

    def ask(path, scope):
        async def answered():
            transport = httpx.ASGITransport(create(SERVICE))
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.get(path, headers={"Authorization": f"Bearer {keys[scope]}"})

        return asyncio.run(answered())

    found = ask(f"/debtors/{debtor}?moment=2025-06-30T00:00:00Z", "dispatch")
    assert found.status_code == 200 and found.headers["cache-control"] == "no-store", found.text
    read = json.loads(found.content, object_hook=lambda row: {k: v for k, v in row.items() if k != "decision_id"})
    assert read == figures(tell(own, debtor, MIDDLE, False)) and debtor not in found.text
    assert ask(f"/debtors/{debtor}", "explain").status_code == 403
    assert ask("/debtors/t_nobody", "dispatch").status_code == 404
    assert ask(f"/debtors/{debtor}?moment=1999-01-01T00:00:00Z", "dispatch").status_code == 404
    assert ask(f"/debtors/{debtor}?moment=2025-06-30", "dispatch").status_code == 422


def test_the_page_is_what_a_services_own_process_prints(own, debtor, monkeypatch, capfdbinary):
    monkeypatch.setenv("RECOUP_HOME", str(own.root))
    main("page", debtor, MIDDLE.isoformat())
    assert capfdbinary.readouterr().out.startswith(b"<!DOCTYPE html>")
    with pytest.raises(SystemExit) as ended:
        main("page", "t_nobody", MIDDLE.isoformat())
    assert ended.value.code == REFUSED and b"no such debtor" in capfdbinary.readouterr().err
