"""A home that is ready to work in: a world taken in, both models in force, the online store filled, Bentos built."""

import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from features.errors import RecoupError
from features.files import replace
from features.home import Home
from features.lake import Lake
from features.progress import Progress

UNTIL = date(2025, 12, 31)
"""Last day of the simulated world; the models are trained half a year earlier."""
TRAINED_AS_OF = datetime(2025, 6, 30, 23, 59, 59, tzinfo=UTC)
TRIALS = 3
MODELS = ("recovery", "contact")


@dataclass(frozen=True)
class DemoHome:
    """A home as the demo leaves it.

    Attributes
    ----------
    home : Home
    keys : Path
        Shell file with the home's own token and API key, readable by its owner only.
    world : Path
        The simulated world: ``feeds/``, ``tape.csv``, and ``truth/``, which no model may read.
    versions : dict of str to Registered
        The models in force.
    bentos : dict of str to str
        Tags of the Bentos that serve them.
    """

    home: Home
    keys: Path
    world: Path
    versions: dict[str, Any]
    bentos: dict[str, str]


def prepare(home: Home, loans: int, seed: int, progress: Progress) -> DemoHome:
    """Make a home ready, and reuse what is there; its keys are put into the environment.

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

    Raises
    ------
    RecoupError
        When the home holds other data.
    """
    keys = _keys(home, progress)
    world = _world(home, loans, seed, progress)
    _ingest(home, world, progress)
    versions = {name: _train(home, name, seed, progress) for name in MODELS}
    bentos = _build(home, versions, progress)
    _materialize(home, progress)
    return DemoHome(home, keys, world, versions, bentos)


def standing(home: Home) -> DemoHome | None:
    """Return a home that `prepare` made ready, as it stands, with its keys in the environment; else nothing."""
    from training import registry

    if not all(mark(home).is_file() for mark in (_bentos, _materialized)):
        return None
    keys = _keys(home, lambda line: None)
    versions = {name: registry.load(home, name) for name in MODELS}
    return DemoHome(home, keys, _folder(home), versions, json.loads(_bentos(home).read_text()))


def _folder(home: Home) -> Path:
    return home.demo / "world"


def _materialized(home: Home) -> Path:
    """Return the mark of the last step, which says of what and until when the online store was filled."""
    return home.demo / "materialized.json"


def _keys(home: Home, progress: Progress) -> Path:
    """Make the token and API key of the demo once, readable by its owner only."""
    path = home.demo / "keys.sh"
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

    mark, folder = home.demo / "world.json", _folder(home)
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


def _bentos(home: Home) -> Path:
    return home.demo / "bentos.json"


def _build(home: Home, versions: dict[str, Any], progress: Progress) -> dict[str, str]:
    from serving import bento

    tags = {name: bento.build(home, version) for name, version in versions.items()}
    progress(f"Bentos: {', '.join(tags.values())}")
    replace(_bentos(home), json.dumps(tags).encode())
    return tags


def _materialize(home: Home, progress: Progress) -> None:
    from features.store import FeatureDoor

    door = FeatureDoor(home)
    door.refresh()
    mark = _materialized(home)
    state = {"lake": door.lake.snapshot(), "until": UNTIL.isoformat()}
    if mark.is_file() and json.loads(mark.read_text()) == state:
        progress("online store: as before")
        return
    progress("filling the online store")
    door.materialize(datetime(UNTIL.year, UNTIL.month, UNTIL.day, 23, 59, 59, tzinfo=UTC))
    replace(mark, json.dumps(state).encode())
