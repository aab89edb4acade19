"""Model versions that a service took from the registry, kept in the home: so that it needs the registry only to change.

``FOLDER/VERSION-FINGERPRINT`` holds a package that was let in, ``FOLDER/in_force.json`` the versions in force.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from features import services
from features.errors import RecoupError
from features.files import locked, replace
from features.home import Home
from serving import bento
from training.aliases import Named
from training.card import Card


class Held(Protocol):
    """A model that knows what it is."""

    @property
    def card(self) -> Card:
        """Its card."""
        ...


Read = TypeVar("Read", bound=Held)
_CODE = Path(__file__).parents[2]
_ADMISSION_S = 600


class Releases(Generic[Read]):
    """The versions of one model in one home, as `bento.model_in` or `bento.package_in` reads them."""

    def __init__(self, home: Home, model: str, read: Callable[[Path], tuple[Read, str]]):
        self._model = model
        self._from = read
        self._folder = home.releases / model
        self._environment = os.environ | {"RECOUP_HOME": str(home.root)}

    def load(self, named: Named) -> tuple[Read, str]:
        """Return a version's package and label; one that is not kept yet is downloaded and verified first.

        Raises
        ------
        RecoupError
            When it is refused, or cannot be had.
        """
        folder = self._kept(named)
        if folder.is_dir():
            with suppress(RecoupError):  # spoilt, or kept by older code: taken anew
                return self._read(folder)
        self._admit(named, folder)
        return self._read(folder)

    def at_start(self, alias: str) -> tuple[Read, str]:
        """Return what to begin with: the version last in force under an alias, or else the Bento's own.

        Raises
        ------
        RecoupError
            When the code does not run inside a Bento.
        """
        last = self.remembered().get(alias)
        if last and self._kept(last).is_dir():
            try:
                return self._read(self._kept(last))
            except RecoupError as error:
                logging.getLogger(__name__).warning("begins with the Bento's own model: %s", error)
        return bento.contents(self._from)[1:]

    def remembered(self) -> dict[str, Named]:
        """Return the versions in force by alias, as they were last put there; none before that."""
        try:
            content = json.loads((self._folder / "in_force.json").read_bytes())
            return {alias: Named(**named) for alias, named in content.items()}
        except FileNotFoundError:
            return {}

    def remember(self, in_force: dict[str, Named]) -> None:
        """Keep the versions in force for a worker that starts anew, whether the registry answers then or not."""
        content = {alias: asdict(named) for alias, named in in_force.items()}
        with locked(self._folder):
            replace(self._folder / "in_force.json", json.dumps(content).encode())

    def _kept(self, named: Named) -> Path:
        return self._folder / f"{named.version}-{named.fingerprint}"

    def _read(self, folder: Path) -> tuple[Read, str]:
        found, label = self._from(folder)
        require_served(found.card, self._model)
        return found, label

    def _admit(self, named: Named, folder: Path) -> None:
        asked = [self._model, named.version, named.fingerprint, named.artifacts, str(folder)]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "serving.versions.admission", *asked], cwd=_CODE, env=self._environment,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ADMISSION_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise RecoupError(f"it was not downloaded and verified within {_ADMISSION_S} seconds") from error
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"its verification ended with code {done.returncode}"]
            raise RecoupError(said[-1])


def require_served(card: Card, model: str) -> None:
    """Refuse a model whose inputs the online store does not give.

    Raises
    ------
    RecoupError
        Naming the model, its FeatureService, or the first input that differs.
    """
    if card.name != model:
        raise RecoupError(f"it is a {card.name} model, served is {model}")
    try:
        served = [(column.name, column.kind) for column in services.columns(card.service)]
    except KeyError:
        raise RecoupError(f"its inputs are those of {card.service}, which this code does not define") from None
    needed = [(column["name"], column["kind"]) for column in card.columns]
    if needed != served:
        odd = sorted(name for name, _ in set(needed).symmetric_difference(served))
        raise RecoupError(f"its inputs are not those of {card.service}: look at {', '.join(odd) or 'their order'}")
