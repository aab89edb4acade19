"""An alert lasts as long as what it is about, is told once, and is never lost."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from features.errors import RecoupError
from monitoring.drift import Finding
from monitoring.ledger import Ledger, opened
from monitoring.webhook import ADDRESS, deliver
from recoup.cli import app

WEEK = timedelta(days=7)
FIRST = datetime(2025, 7, 7, tzinfo=UTC)


def finding(value: float, column: str = "balance", test: str = "drift") -> Finding:
    return Finding(column, test, "wasserstein", value, threshold=1.0, p=0.01, alert=value >= 1)


def observe(home, *values: float, first: int = 0) -> Ledger:
    with opened(home) as ledger:
        for place, value in enumerate(values, first):
            ledger.observe("recovery", "drift", FIRST + place * WEEK, [finding(value)], {"balance": "asset"})
    return Ledger(home)


def test_what_goes_on_is_one_alert_and_what_vanishes_closes_it(home):
    (alert,) = observe(home, 0.2, 1.5, 1.2).standing
    assert (alert.count, alert.first_seen, alert.last_seen) == (2, FIRST + WEEK, FIRST + 2 * WEEK)
    assert (alert.level, alert.owner, alert.state) == ("warning", "data", "open")
    assert "asset" in alert.action
    ledger = observe(home, 0.3, first=3)
    assert not ledger.standing
    (closed,) = ledger.alerts
    assert (closed.state, closed.closed_at, closed.id) == ("closed", FIRST + 3 * WEEK, alert.id)
    back = observe(home, 1.1, first=4)
    assert [one.state for one in back.alerts] == ["closed", "open"]
    assert back.alerts[1].id != alert.id


def test_the_log_warns_of_what_stands_and_not_of_what_has_closed_meanwhile(home, caplog):
    caplog.set_level("INFO", "recoup.alerts")
    observe(home, 1.5, 0.2, 0.3, 1.6)
    gone, stands = caplog.records
    assert (gone.levelname, stands.levelname) == ("INFO", "WARNING")
    assert "closed" in gone.message and "open" in stands.message
    caplog.clear()
    observe(home, 1.7, first=4)
    assert not caplog.records, "an alert that goes on is no news"


def test_the_same_chunks_again_change_nothing(home):
    once = observe(home, 1.5, 1.2).alerts
    assert observe(home, 1.5, 1.2).alerts == once


def test_an_alert_can_become_critical_and_not_less_grave_again(home):
    assert [observe(home, value, first=place).standing[0].level for place, value in enumerate([1.2, 2.5, 1.2])] == [
        "warning", "critical", "critical",
    ]  # fmt: skip


def test_an_alert_whose_test_was_not_made_stays(home):
    observe(home, 1.5)
    with opened(home) as ledger:
        ledger.observe("recovery", "drift", FIRST + WEEK, [finding(0.1, column="phones")])
    assert [alert.column for alert in Ledger(home).standing] == ["balance"]


def test_a_run_that_fails_leaves_the_alerts_as_they_were(home):
    observe(home, 1.5)
    with pytest.raises(ZeroDivisionError), opened(home) as ledger:
        ledger.observe("recovery", "drift", FIRST + WEEK, [finding(0.1)])
        raise ZeroDivisionError
    assert len(Ledger(home).standing) == 1


def test_alerts_are_listed_and_acknowledged_from_the_door(home):
    (alert,) = observe(home, 1.5).standing
    run = CliRunner().invoke
    assert alert.id in run(app, ["alerts"]).output
    said = run(app, ["alerts", "ack", alert.id, "--by", "Mei"])
    assert said.exit_code == 0 and "acknowledged" in said.output
    (after,) = observe(home, 1.3, first=1).standing
    assert (after.state, after.acknowledged_by, after.count) == ("acknowledged", "Mei", 2)
    observe(home, 0.1, first=2)
    assert run(app, ["alerts"]).output == ""
    assert "closed" in run(app, ["alerts", "--all"]).output
    with pytest.raises(RecoupError, match="no alert 'nothing' stands"), opened(home) as ledger:
        ledger.acknowledge("nothing", "Mei")


def test_a_file_that_is_damaged_is_said_and_not_overwritten(home):
    observe(home, 1.5)
    path = home.root / "monitoring" / "alerts.json"
    path.write_text("{")
    with pytest.raises(RecoupError, match=r"alerts\.json"), opened(home):
        pass
    assert path.read_text() == "{"


@pytest.fixture
def webhook(monkeypatch):
    """A receiver of its own: what it got, and what it answers."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), receiver.handler())
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv(ADDRESS, f"http://127.0.0.1:{server.server_port}/hook?secret=s3cr3t")
    yield receiver
    server.shutdown()
    server.server_close()


class Receiver:
    def __init__(self) -> None:
        self.got: list[dict] = []
        self.status = 204

    def handler(receiver) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status < 300:
                    receiver.got.append(json.loads(body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *told) -> None:
                pass

        return Handler


def test_news_reach_the_webhook_once_and_in_order(home, webhook):
    observe(home, 1.5, 1.4, 2.5, 0.1)
    for _ in range(2):
        with opened(home) as ledger:
            assert deliver(ledger) is None
    assert [(news["state"], news["level"], news["count"]) for news in webhook.got] == [
        ("open", "warning", 1), ("open", "critical", 3), ("closed", "critical", 3),
    ]  # fmt: skip
    assert {news["id"] for news in webhook.got} == {Ledger(home).alerts[0].id}


def test_what_the_webhook_does_not_take_is_told_the_next_time(home, webhook):
    webhook.status = 500
    observe(home, 1.5)
    with opened(home) as ledger:
        why = deliver(ledger)
    assert why == "1 alerts wait for the webhook: it answered 500"
    webhook.status = 200
    observe(home, 0.1, first=1)
    with opened(home) as ledger:
        assert deliver(ledger) is None
    assert [news["state"] for news in webhook.got] == ["open", "closed"]


def test_a_webhook_that_is_not_there_is_said_without_its_secret(home, monkeypatch):
    monkeypatch.setenv(ADDRESS, "http://127.0.0.1:9/hook?secret=s3cr3t")
    observe(home, 1.5)
    with opened(home) as ledger:
        why = deliver(ledger)
    assert "ConnectError" in why and "s3cr3t" not in why
    assert len(Ledger(home).undelivered) == 1
