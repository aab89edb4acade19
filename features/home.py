"""Where recoup keeps its state: one folder, ``RECOUP_HOME`` (default ``./.recoup``)."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The rooms of the state folder; deleting ``root`` is a full reset."""

    root: Path

    @property
    def lake(self) -> Path:
        """Accepted and rejected rows, and the commits that make them visible."""
        return self.root / "lake"

    @property
    def marts(self) -> Path:
        """Feature tables that Feast reads."""
        return self.root / "marts"

    @property
    def feast(self) -> Path:
        """Feast's registry and online store."""
        return self.root / "feast"

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artifacts."""
        return self.root / "mlflow"

    @property
    def optuna(self) -> Path:
        """Optuna's journal of trials."""
        return self.root / "optuna"

    @property
    def bentoml(self) -> Path:
        """Bentos and the model packages in them."""
        return self.root / "bentoml"

    @property
    def releases(self) -> Path:
        """Model versions that services took from the registry."""
        return self.root / "releases"

    @property
    def journal(self) -> Path:
        """Decisions, and the manifest of the files that hold them."""
        return self.root / "journal"

    @property
    def keys(self) -> Path:
        """Hashes of the keys that the services answer to."""
        return self.root / "keys"

    @property
    def portfolios(self) -> Path:
        """Tapes that the pricing service was given, and what they are worth: a folder a task."""
        return self.root / "portfolios"

    @property
    def plans(self) -> Path:
        """Plans that the dispatch service was asked for: a folder a task."""
        return self.root / "plans"

    @property
    def monitoring(self) -> Path:
        """The ledger of alerts, and Evidently's workspace."""
        return self.root / "monitoring"

    @property
    def loop(self) -> Path:
        """Trials of challengers: a folder a model, a file a trial."""
        return self.root / "loop"

    @property
    def reports(self) -> Path:
        """Reports and plots that commands write when they are not told where."""
        return self.root / "reports"

    @property
    def demo(self) -> Path:
        """The demo's world and keys, and notes of what it has done."""
        return self.root / "demo"


def current() -> Home:
    """Return the home that the environment names.

    Returns
    -------
    Home
        Rooted at ``$RECOUP_HOME``, or at ``.recoup`` in the working folder.
    """
    return Home(Path(os.environ.get("RECOUP_HOME", ".recoup")).absolute())
