"""The whole road on a simulated portfolio: `recoup demo`."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from features.home import Home
from features.progress import Progress
from recoup.demo_home import UNTIL, prepare
from recoup.tables import metrics_table, portfolio_table


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
    ready = prepare(home, loans, seed, progress)
    priced = _price(home, ready.world, progress)
    planned = _dispatch(home, progress)
    scores = _serve(home, ready.bentos, progress)
    watched = _monitor(home, progress)
    return "\n".join(
        [
            "",
            f"== recoup on {loans:,} simulated loans, seed {seed} ==",
            "",
            "Portfolio on offer",
            portfolio_table(priced.portfolio),
            "",
            *[
                f"{version.label}\n{metrics_table(version.package.card.metrics)}\n"
                for version in ready.versions.values()
            ],
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
            f"The demo made its own keys; to go on by hand: source {ready.keys}",
        ]
    )


def _price(home: Home, world: Path, progress: Progress) -> Any:
    from serving.pricing import tape, valuation

    return tape.price(home, world / "tape.csv", "canonical", home.reports / "price", valuation.assumptions(), progress)


def _dispatch(home: Home, progress: Progress) -> Any:
    from serving.dispatch.plan import plan

    return plan(home, UNTIL + timedelta(days=1), home.reports / "dispatch", progress=progress)


def _serve(home: Home, bentos: dict[str, str], progress: Progress) -> list[str]:
    """Start both Bentos, and score one loan over HTTP from each."""
    import polars as pl

    from features.store import FeatureDoor
    from serving import server
    from serving.access import keys

    loan_id = FeatureDoor(home).lake.scan("loans").select(pl.col("loan_id").max()).collect().item()
    moment = f"{UNTIL.isoformat()}T23:59:59Z"
    calls = {
        "recovery": ("price", {"loan_ids": [loan_id], "moment": moment}),
        "contact": ("chance", {"loan_id": loan_id, "channel": "call", "moment": moment}),
    }
    lines = []
    for name, (route, body) in calls.items():
        progress(f"serving {bentos[name]}")
        with server.running(home, bentos[name], server.free_port()) as url:
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
