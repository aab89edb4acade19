"""`recoup bench serving`: our service against the bare model behind FastAPI and behind MLflow, under load."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import mlflow.catboost
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

from features.errors import RecoupError
from features.home import Home
from features.online_rows import RowReader
from features.progress import Progress
from recoup.bench import load, one_row, online, overload, serving_model
from recoup.bench.load import Load, Side
from serving import bento, server
from serving.scoring import Inputs
from training.link import linked
from training.outlook import ULTIMATE
from training.package import ModelPackage
from training.registry import Registered

_KEY = "a key of the serving bench's own"
_WORKERS, _CONNECTIONS = (1, 2), (1, 16, 64)
_LINES = (16, 64)
"""How many may wait when the service is overloaded."""
_AT, _ROUNDS = 16, 3
_MLFLOW = {"mlflow": True, "mlflow_unchecked": False}
"""MLflow's sides: whether the model has a signature."""
_BODIES = 2_000
_START_SECONDS = 90
_TOLERANCE, _COMPARED = 1e-9, 10
_JSON = {"Content-Type": "application/json"}


def measure(progress: Progress) -> dict[str, float]:
    """Return throughput over the peers', latencies, and the figures of what an answer is made of.

    Every side serves the same model: 60 inputs of which 10 are categories, 500 trees. Ours is the pricing
    Bento as `bentoml serve` runs it, which checks a key, values the loan at every horizon with interval and
    price, names its reasons and journals the decision: by id it reads the features too. ``vs_fastapi``: a
    FastAPI application that gives the bare score of the features in the request. ``vs_mlflow_serve``: the
    score by id over ``mlflow models serve`` of the model with its signature, by which MLflow checks the fields of
    a request as ours and FastAPI's are; ``vs_mlflow_serve_unchecked``: of the model without one. The sides run in
    turn under wrk, of which no request may fail, several times; of each side the round of median rate counts.

    Returns
    -------
    dict
        The ratios with one worker and 16 connections; the same for N workers and C connections after
        ``.wN.cC``; ``SIDE.wN.cC.rate`` (answers a second), ``.p50_ms`` and ``.p99_ms`` of each side;
        ``cold_start_s`` from the start of a service to its first answer; after ``overload.lineN.``, with N who may
        wait, what `overload.measure` returns; and what `one_row.measure` and `online.measure` return.

    Raises
    ------
    RecoupError
        When wrk is not there, a request fails, or the sides do not agree on a score.
    """
    load.require()
    os.environ.setdefault("RECOUP_TOKEN_KEY", "a key of the bench's own")
    os.environ["RECOUP_API_KEY"] = _KEY
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        progress("a book, and a model of 60 inputs and 500 trees")
        home, door = serving_model.home(root)
        package = serving_model.package(door)
        tag = bento.build(home, Registered("recovery", "1", "", package))
        sides = _Sides(root, home, package, tag, serving_model.loans(door)[:_BODIES], datetime.now(UTC))
        sides.write_bodies()
        figures = sides.measure(progress)
        figures |= sides.overloaded(progress)
        figures |= one_row.measure(package, progress)
    return figures | online.measure(progress)


@dataclass(frozen=True)
class _Sides:
    """Everything that the sides are made of."""

    root: Path
    home: Home
    package: ModelPackage
    tag: str
    loans: list[str]
    moment: datetime

    @cached_property
    def inputs(self) -> list[dict[str, float | str | None]]:
        """The model's inputs of every loan, at the moment."""
        reader = RowReader(self.home, self.package.card.columns)
        asked = {"moment": self.moment.timestamp(), "horizon_months_asked": ULTIMATE}
        read = reader.read({name: [value] * len(self.loans) for name, value in asked.items()} | {"loan_id": self.loans})
        rows = Inputs.read(read).values()
        return [
            {name: None if value != value else value for name, value in zip(self.package.names, row, strict=True)}
            for row in rows
        ]

    def write_bodies(self) -> None:
        """Write what each side is asked, one body a line."""
        known = [{name: value for name, value in row.items() if name != "horizon_months"} for row in self.inputs]
        split = [{"columns": self.package.names, "data": [list(row.values())]} for row in self.inputs]
        asked: dict[str, list[dict[str, Any]]] = {
            "by_id": [{"loan_ids": [loan], "moment": self.moment.isoformat()} for loan in self.loans],
            "inline": [{"currency": "USD", "features": features} for features in known],
            "fastapi": self.inputs,
            "mlflow": [{"dataframe_split": frame} for frame in split],
        }
        for name, bodies in asked.items():
            self._bodies(name).write_text("\n".join(json.dumps(body) for body in bodies))

    def measure(self, progress: Progress) -> dict[str, float]:
        signature = infer_signature(pd.DataFrame(self.inputs), np.zeros(1))
        for name, signed in _MLFLOW.items():
            mlflow.catboost.save_model(
                self.package.model, self.root / name, pip_requirements=["catboost"],
                signature=signature if signed else None,
            )  # fmt: skip
        self.package.model.save_model(str(self.root / "model.cbm"))
        figures: dict[str, float] = {}
        for workers in _WORKERS:
            progress(f"all sides, {workers} worker{'s' * (workers > 1)}")
            with ExitStack() as running:
                start = time.perf_counter()
                ours = running.enter_context(self._ours(workers, max(_CONNECTIONS)))
                if workers == 1:
                    figures["cold_start_s"] = time.perf_counter() - start
                sides = ours | {"fastapi": running.enter_context(self._fastapi(workers))}
                sides |= {name: running.enter_context(self._mlflow(name, workers)) for name in _MLFLOW}
                self._require_agreement(sides)
                for connections in _CONNECTIONS:
                    rounds = [{name: _alone(side, connections) for name, side in sides.items()} for _ in range(_ROUNDS)]
                    borne = {name: _median([found[name] for found in rounds]) for name in sides}
                    figures |= _told(borne, f"w{workers}.c{connections}")
                    if (workers, connections) == (1, _AT):
                        ours_borne = borne["score_by_id"]
                        figures |= _ratios(borne) | {
                            "p99_ms_c16": ours_borne.p99_ms,
                            "p99_ms_c16.over_p50": ours_borne.p99_ms / ours_borne.p50_ms,
                        }
        return figures

    def overloaded(self, progress: Progress) -> dict[str, float]:
        figures: dict[str, float] = {}
        for line in _LINES:
            progress(f"twice the capacity, a line of {line}")
            with self._ours(1, line) as ours:
                found = overload.measure(ours["score_by_id"], line)
            figures |= {f"overload.line{line}.{name}": value for name, value in found.items()}
        return figures

    @contextmanager
    def _ours(self, workers: int, line: int) -> Iterator[dict[str, Side]]:
        log, port = self.root / "bento.log", server.free_port()
        headers = _JSON | {"Authorization": f"Bearer {_KEY}"}
        os.environ |= {"RECOUP_WORKERS": str(workers), "RECOUP_MAX_WAITING": str(line)}
        process = server.start(self.home, self.tag, port, log)
        try:
            url = server.address(port)
            by_id = Side(f"{url}/price", headers, self._bodies("by_id"))
            _wait(process, by_id, log)
            yield {"score_by_id": by_id, "score_inline": Side(f"{url}/price_given", headers, self._bodies("inline"))}
        finally:
            server.stop(process)

    @contextmanager
    def _fastapi(self, workers: int) -> Iterator[Side]:
        port = server.free_port()
        command = ["uvicorn", "recoup.bench.peers.plain:app", "--port", str(port), "--workers", str(workers),
                   "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]  # fmt: skip
        side = Side(f"http://127.0.0.1:{port}/score", _JSON, self._bodies("fastapi"))
        with self._peer(command, side):
            yield side

    @contextmanager
    def _mlflow(self, name: str, workers: int) -> Iterator[Side]:
        port = server.free_port()
        command = ["mlflow", "models", "serve", "--model-uri", str(self.root / name),
                   "--env-manager", "local", "--port", str(port), "--workers", str(workers)]  # fmt: skip
        side = Side(f"http://127.0.0.1:{port}/invocations", _JSON, self._bodies("mlflow"))
        with self._peer(command, side):
            yield side

    @contextmanager
    def _peer(self, command: list[str], side: Side) -> Iterator[None]:
        log = self.root / f"{command[0]}.log"
        beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # MLflow runs uvicorn by its name
        environment = os.environ | {"RECOUP_BENCH_MODEL": str(self.root), "PATH": beside}
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            _wait(process, side, log)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # MLflow leaves its server behind
            process.wait()

    def _bodies(self, name: str) -> Path:
        return self.root / f"{name}.jsonl"

    def _require_agreement(self, sides: Mapping[str, Side]) -> None:
        """Refuse sides that do not give some loans the same score."""
        average = self.package.rows.average[-1:]
        read: dict[str, Callable[[Any], float]] = {
            "score_by_id": lambda answer: answer["loans"][0]["recovery_rate"],
            "score_inline": lambda answer: answer["recovery_rate"],
            "fastapi": lambda answer: linked("share", np.array([answer["score"]]), average).item(),
            **{
                name: lambda answer: linked("share", np.array(answer["predictions"]), average).item()
                for name in _MLFLOW
            },
        }
        with httpx.Client() as client:
            for row in range(_COMPARED):
                scores = {name: read[name](_ask(client, side, row).json()) for name, side in sides.items()}
                if max(scores.values()) - min(scores.values()) > _TOLERANCE:
                    raise RecoupError(f"the sides give a loan other scores: {scores}")


def _ask(client: httpx.Client, side: Side, row: int) -> httpx.Response:
    body = side.bodies.read_text().splitlines()[row]
    return client.post(side.url, content=body, headers=dict(side.headers), timeout=10).raise_for_status()


def _wait(process: subprocess.Popen, side: Side, log: Path) -> None:
    """Wait for the first good answer."""
    deadline = time.monotonic() + _START_SECONDS
    with httpx.Client() as client:  # one for all: making it would take the processor from the side that starts
        while time.monotonic() < deadline and process.poll() is None:
            try:
                _ask(client, side, 0)
                return
            except httpx.HTTPError:
                time.sleep(0.02)
    raise RecoupError(f"{side.url} does not answer; the end of its log:\n{server.tail(log)}")


def _ratios(borne: Mapping[str, Load]) -> dict[str, float]:
    rate = {name: found.rate for name, found in borne.items()}
    return {
        "score_by_id_vs_fastapi": rate["score_by_id"] / rate["fastapi"],
        "score_inline_vs_fastapi": rate["score_inline"] / rate["fastapi"],
        "vs_mlflow_serve": rate["score_by_id"] / rate["mlflow"],
        "vs_mlflow_serve_unchecked": rate["score_by_id"] / rate["mlflow_unchecked"],
    }


def _alone(side: Side, connections: int) -> Load:
    """Put load on a side, and wait until it has done with what wrk left: the next side shall not bear that too."""
    borne = load.bear(side, connections)
    with httpx.Client() as client:
        _ask(client, side, 0)
    return borne


def _median(rounds: list[Load]) -> Load:
    return sorted(rounds, key=lambda found: found.rate)[len(rounds) // 2]


def _told(borne: Mapping[str, Load], at: str) -> dict[str, float]:
    """Return the ratios at a number of workers and connections, and how each side bore it."""
    figures = {f"{name}.{at}": value for name, value in _ratios(borne).items()}
    for name, found in borne.items():
        figures |= {f"{name}.{at}.{part}": value for part, value in vars(found).items()}
    return figures
