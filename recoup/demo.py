"""The whole road on a simulated portfolio: `recoup demo`."""

import json
import os
import secrets
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from features.errors import RecoupError
from features.files import replace
from features.home import Home
from features.lake import Lake
from recoup.tables import metrics_table, portfolio_table
from training.job import Progress

UNTIL = date(2025, 12, 31)
"""Last day of the simulated world; the models are trained half a year earlier."""
TRAINED_AS_OF = datetime(2025, 6, 30, 23, 59, 59, tzinfo=UTC)
TRIALS = 3


def run(home: Home, loans: int, seed: int, progress: Progress) -> str:
    """Run the main job on the embedded profile and return its summary.

    Parameters
    ----------
    home : Home
        A fresh home, or one that only ever held this demo.
    loans : int
        Loans in the simulated book; the tape on offer has a tenth more.
    seed : int
        The same seed gives the same world and the same models.
    progress : callable
        Told a line per step.
    """
    keys = _keys(home, progress)
    world = _world(home, loans, seed, progress)
    _ingest(home, world, progress)
    versions = {name: _train(home, name, seed, progress) for name in ("recovery", "contact")}
    _materialize(home, progress)
    priced = _price(home, world, progress)
    planned = _dispatch(home, progress)
    scores = _serve(home, versions, progress)
    watched = _monitor(home, progress)
    return "\n".join(
        [
            "",
            f"== recoup on {loans:,} simulated loans, seed {seed} ==",
            "",
            "Portfolio on offer",
            portfolio_table(priced.portfolio),
            "",
            *[f"{version.label}\n{metrics_table(version.package.card.metrics)}\n" for version in versions.values()],
            "Contact plan",
            planned.summary(),
            "",
            "Scored over HTTP",
            *scores,
            "",
            "Drift since training",
            watched.summary(),
            "",
            "Reports",
            *[f"  {what:<26}{where}" for what, where in _reports(home).items()],
            "",
            f"The demo made its own keys; to go on by hand: source {keys}",
        ]
    )


def _keys(home: Home, progress: Progress) -> Path:
    """Make the token and API key of the demo once, readable by its owner only."""
    path = home.root / "demo" / "keys.sh"
    if not path.is_file():
        made = {name: secrets.token_hex(32) for name in ("RECOUP_TOKEN_KEY", "RECOUP_API_KEY")}
        lines = [
            f"export RECOUP_HOME={str(home.root)!r}",
            *[f"export {name}={key}" for name, key in made.items()],
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n")
        progress(f"made keys of the demo's own: {path}")
    for line in path.read_text().splitlines()[1:]:
        name, value = line.removeprefix("export ").split("=")
        os.environ[name] = value
    return path


def _world(home: Home, loans: int, seed: int, progress: Progress) -> Path:
    from features.world import simulate

    mark, folder = home.root / "demo" / "world.json", home.root / "demo" / "world"
    asked = {"loans": loans, "seed": seed}
    if mark.is_file() and json.loads(mark.read_text()) == asked:
        progress("simulated world: as before")
        return folder
    if folder.exists() or Lake(home).batches():
        raise RecoupError(
            f"{home.root} already holds other data, and a simulated world must not mix with it: "
            "set RECOUP_HOME to another folder, or delete this one"
        )
    simulate(loans, seed, folder, until=UNTIL, progress=progress)
    replace(mark, json.dumps(asked).encode())
    return folder


def _ingest(home: Home, world: Path, progress: Progress) -> None:
    for path in sorted((world / "feeds").glob("*.csv")):
        batch = Lake(home).ingest(path, "canonical", path.stem)
        state = "as before" if batch.repeated else "taken in"
        progress(f"{path.stem}: {batch.accepted[path.stem]:,} rows {state}, {batch.rejected[path.stem]:,} rejected")


def _train(home: Home, name: str, seed: int, progress: Progress) -> Any:
    from training import registry
    from training.approval import Approver
    from training.revision import code_revision
    from training.train import train

    wanted = (Lake(home).snapshot(), TRAINED_AS_OF.isoformat(), seed, code_revision())
    try:
        held = registry.load(home, name)
    except RecoupError:
        held = None
    if held is not None:
        card = held.package.card
        if (card.lake, card.as_of, card.seed, card.code) == wanted:
            progress(f"{held.label}: as before")
            return held
    _, version = train(
        name, home, as_of=TRAINED_AS_OF, trials=TRIALS, seed=seed,
        progress=lambda line: progress(f"{name}: {line}"),
    )  # fmt: skip
    return registry.promote(home, name, version.version, approver=Approver("the demo", "simulated loans, nobody's"))


def _materialize(home: Home, progress: Progress) -> None:
    from features.store import FeatureDoor

    door = FeatureDoor(home)
    door.refresh()
    mark = home.root / "demo" / "materialized.json"
    state = {"lake": door.lake.snapshot(), "until": UNTIL.isoformat()}
    if mark.is_file() and json.loads(mark.read_text()) == state:
        progress("online store: as before")
        return
    progress("filling the online store")
    door.materialize(datetime(UNTIL.year, UNTIL.month, UNTIL.day, 23, 59, 59, tzinfo=UTC))
    replace(mark, json.dumps(state).encode())


def _price(home: Home, world: Path, progress: Progress) -> Any:
    from serving.pricing import tape, valuation

    return tape.price(home, world / "tape.csv", "canonical", home.reports / "price", valuation.assumptions(), progress)


def _dispatch(home: Home, progress: Progress) -> Any:
    from serving.dispatch.plan import plan

    return plan(home, UNTIL + timedelta(days=1), home.reports / "dispatch", progress=progress)


def _serve(home: Home, versions: dict[str, Any], progress: Progress) -> list[str]:
    """Build both Bentos, start each, and score one loan over HTTP."""
    import polars as pl

    from features.store import FeatureDoor
    from serving import bento, server
    from serving.access import keys

    loan_id = FeatureDoor(home).lake.scan("loans").select(pl.col("loan_id").max()).collect().item()
    moment = f"{UNTIL.isoformat()}T23:59:59Z"
    calls = {
        "recovery": ("price", {"loan_ids": [loan_id], "moment": moment}),
        "contact": ("chance", {"loan_id": loan_id, "channel": "call", "moment": moment}),
    }
    lines = []
    for name, (route, body) in calls.items():
        tag = bento.build(home, versions[name])
        progress(f"serving {tag}")
        with server.running(home, tag, server.free_port()) as url:
            answer = httpx.post(
                f"{url}/{route}", json=body, timeout=30,
                headers={"Authorization": f"Bearer {keys.api_key().decode()}"},
            )  # fmt: skip
            answer.raise_for_status()
        lines.append(_scored(name, answer.json()))
    return lines


def _scored(name: str, answer: dict[str, Any]) -> str:
    score = answer["loans"][0] if name == "recovery" else answer
    reasons = "; ".join(f"{reason['about']} {reason['effect']:+.3g}" for reason in score["reasons"][:3])
    if name == "recovery":
        what = (
            f"expected recovery {score['expected_recovery']:,.2f} {score['currency']} of "
            f"{score['owed']:,.2f} owed, price {score['price']:,.2f}"
        )
    else:
        what = f"chance that a call reaches the debtor {score['chance']:.1%}"
    replayed = f"    recoup replay {score['decision_id']} rebuilds it"
    return f"  {score['loan_id']}: {what} ({reasons})\n{replayed}"


def _monitor(home: Home, progress: Progress) -> Any:
    from monitoring import monitor

    return monitor(home, home.reports / "monitor", progress=progress)


def _reports(home: Home) -> dict[str, Path]:
    return {
        "prices": home.reports / "price" / "prices.parquet",
        "training plots": home.reports / "training",
        "contact plan": home.reports / "dispatch",
        "drift": home.reports / "monitor",
        "runs and models (MLflow)": home.mlflow / "mlflow.db",
        "decisions": home.journal,
    }
