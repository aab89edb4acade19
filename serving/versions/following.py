"""A service's line-up kept as the registry's aliases say, by a thread of its own beside the answers."""

import gc
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from prometheus_client import Counter, Gauge

from features.errors import RecoupError
from features.home import Home
from serving import bento
from serving.scoring import CHALLENGER, CHAMPION, SHADOW
from serving.versions.lineup import CHALLENGER_ALIAS, Lineup, Rule
from serving.versions.releases import Releases
from training import aliases
from training.aliases import Named
from training.row_model import RowModel

_AGAIN_S, _AGAIN_AT_MOST_S = 10.0, 600.0
"""After how long a version that was refused is tried again, first and at last: what it lacked may be there then."""

CHANGES = Counter("recoup_model_changes", "Changes of the version that plays a role", ["role", "version"])
REFUSALS = Counter("recoup_model_refusals", "Registered versions that were not let in", ["version"])
UNSEEN = Counter("recoup_registry_failures", "Looks at the model registry that found no answer, or no such alias")
SEEN = Gauge("recoup_registry_seen_timestamp_seconds", "When the model registry last answered", multiprocess_mode="max")

MakesAnswers = Callable[[Home, RowModel, str, str], Any]
"""Makes answers of home, model, the version's label and the role that it plays."""
Loaded = TypeVar("Loaded")


@dataclass
class Refused:
    """Why a version was not let in, and when it is tried again (seconds, monotonic)."""

    why: str
    again_at: float
    wait_s: float


@dataclass
class Followed:
    """What a worker serves and follows.

    Attributes
    ----------
    in_force : dict of str to Named
        By role; empty until the first version is loaded.
    former : Named, optional
        The champion before; kept loaded.
    seen_at : datetime, optional
        When the registry last answered (UTC).
    unseen : str
        Why what is followed is not seen now; empty when it is.
    refused : dict of Named to Refused
    """

    in_force: dict[str, Named]
    former: Named | None = None
    seen_at: datetime | None = None
    unseen: str = ""
    refused: dict[Named, Refused] = field(default_factory=dict)


class Following(Generic[Loaded]):
    """Looks at the registry every few seconds, and puts another line-up in force where it says so.

    A version that cannot be had, does not fit or does not answer is refused, and the old one stays. So it
    does while the registry does not answer.
    """

    def __init__(self, home: Home, model: str, make: MakesAnswers, rule: Rule, put: Callable[[Lineup[Loaded]], None]):
        self._home = home
        self._model = model
        self._make = make
        self.rule = rule
        self._put = put
        self._releases = Releases(home, model, bento.model_in)
        self._ready: dict[tuple[Named, str], Loaded] = {}
        self._end = threading.Event()
        self.state = Followed({})

    def begin(self) -> Lineup[Loaded]:
        """Return the line-up to begin with: the version last in force, or else the Bento's own.

        Raises
        ------
        RecoupError
            When neither can be loaded.
        """
        package, label = self._releases.at_start(self.rule.alias)
        named = Named(label.partition("/")[2], package.fingerprint)
        self._ready[named, CHAMPION] = self._make(self._home, package, label, CHAMPION)
        self.state = Followed({CHAMPION: named})
        return self._lineup()

    def start(self) -> None:
        """Follow, in a thread that ends with the process."""
        threading.Thread(target=self._run, name="following", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._end.set()

    def look(self) -> None:
        """Look at the registry once, and change the line-up where its aliases say so."""
        try:
            wanted = aliases.read(self._home, self._model)
            if self.rule.alias not in wanted:
                raise RecoupError(f"{self._model} has no alias {self.rule.alias} in the registry: see `recoup promote`")
            self.state.seen_at, self.state.unseen = datetime.now(UTC), ""
            SEEN.set_to_current_time()
        except RecoupError as error:
            UNSEEN.inc()
            if str(error) != self.state.unseen:
                logging.getLogger(__name__).warning("the versions in force stay: %s", error)
            self.state.unseen = str(error)
            wanted = self._releases.remembered()
        in_force = self._chosen(wanted)
        if in_force != self.state.in_force:
            self._change(in_force)

    def label(self, named: Named) -> str:
        """Return how scores name a version."""
        return f"{self._model}/{named.version}"

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self.look()
            except Exception:  # a defect here must not end the following
                logging.getLogger(__name__).exception("the versions in force stay")
            self._end.wait(self.rule.every_s)

    def _chosen(self, wanted: dict[str, Named]) -> dict[str, Named]:
        """Return who plays each role now: whom the aliases name, where it could be made ready."""
        in_force = dict(self.state.in_force)
        champion = wanted.get(self.rule.alias)
        if champion is not None and self._prepared(champion, CHAMPION):
            in_force[CHAMPION] = champion
        tried = wanted.get(CHALLENGER_ALIAS)
        for role, share in ((CHALLENGER, self.rule.challenger_share), (SHADOW, self.rule.shadow_share)):
            if not share or tried is None or tried == in_force[CHAMPION]:
                in_force.pop(role, None)
            elif self._prepared(tried, role):
                in_force[role] = tried
        return in_force

    def _prepared(self, named: Named, role: str) -> bool:
        """Make a version's answers ready, unless they are; tell whether they are now."""
        refused = self.state.refused.get(named)
        if (named, role) in self._ready:
            return True
        if refused and time.monotonic() < refused.again_at:
            return False
        try:
            package, label = self._releases.load(named)
            answers = self._make(self._home, package, label, role)
            answers.warm()
        except Exception as error:  # whatever is wrong with a new version, the old one answers on
            logging.getLogger(__name__).exception("%s is refused, the old version stays", self.label(named))
            wait_s = min(2 * refused.wait_s, _AGAIN_AT_MOST_S) if refused else _AGAIN_S
            self.state.refused[named] = Refused(str(error), time.monotonic() + wait_s, wait_s)
            REFUSALS.labels(self.label(named)).inc()
            return False
        self._ready[named, role] = answers
        self.state.refused.pop(named, None)
        return True

    def _change(self, in_force: dict[str, Named]) -> None:
        before, self.state.in_force = self.state.in_force, in_force
        if before[CHAMPION] != in_force[CHAMPION]:
            self.state.former = before[CHAMPION]
        self._put(self._lineup())
        for role in (CHAMPION, CHALLENGER, SHADOW):
            if in_force.get(role) != before.get(role):
                label = self.label(in_force[role]) if role in in_force else "none"
                CHANGES.labels(role, label).inc()
                logging.getLogger(__name__).warning("%s is %s now", role, label)
        named = {self.rule.alias: in_force[CHAMPION]}
        if tried := in_force.get(CHALLENGER) or in_force.get(SHADOW):
            named[CHALLENGER_ALIAS] = tried
        try:
            self._releases.remember(named)
        except OSError as error:
            logging.getLogger(__name__).warning("a worker that starts anew begins with an older version: %s", error)
        kept = {(name, role) for role, name in in_force.items()} | {(self.state.former, CHAMPION)}
        self._ready = {key: answers for key, answers in self._ready.items() if key in kept}
        gc.collect()
        gc.freeze()

    def _lineup(self) -> Lineup[Loaded]:
        playing = {role: self._ready[named, role] for role, named in self.state.in_force.items()}
        return Lineup(
            self._model, playing[CHAMPION], playing.get(CHALLENGER), playing.get(SHADOW),
            self.rule.challenger_share, self.rule.shadow_share,
        )  # fmt: skip
