"""MLflow on SQLite or PostgreSQL: every training run with its evidence, every model version, and the alias in force."""

import contextlib
import io
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.environment import database_url
from features.errors import RecoupError
from features.home import Home
from training import approval
from training.aliases import PACKAGE, SCHEMA
from training.package import ModelPackage

if TYPE_CHECKING:
    from training.job import Trained

CHAMPION = "champion"
FINGERPRINT = "fingerprint"
"""Tag of a version: the fingerprint of the package that was registered."""
_EXPERIMENT = "recoup"
_PLOTS = "plots"
_PACK = "validation"
_PACK_DIGEST = "validation.sha256"
_EXCEPTIONS = "exceptions"
"""Tag of a version: who put it in force without a green pack, why, and what it lacked (JSON)."""
_FIRST = "none was in force: the first version of a home serves before it is validated"


class NotTrained(RecoupError):
    """The registry has no such version."""


@dataclass(frozen=True)
class Registered:
    """A model version of the registry with its package."""

    name: str
    version: str
    run_id: str
    package: ModelPackage

    @property
    def label(self) -> str:
        """How scores name the version, such as ``recovery/3``."""
        return f"{self.name}/{self.version}"


@contextlib.contextmanager
def started(home: Home, name: str) -> Iterator[str]:
    """Open a run and give its id."""
    mlflow = _mlflow(home)
    with mlflow.start_run(run_name=name) as run:
        yield run.info.run_id


def register(home: Home, trained: "Trained", plots: list[Path], scratch: Path) -> Registered:
    """Log a job's evidence to the open run and register the model; put it in force if none is yet.

    Parameters
    ----------
    home : Home
    trained : Trained
    plots : list of Path
        Images to keep with the run.
    scratch : Path
        An empty folder to write the package in before it is logged.
    """
    mlflow = _mlflow(home)
    card = trained.package.card
    trained.package.save(scratch)
    mlflow.log_params({key: str(value)[:250] for key, value in _parameters(trained).items()})
    mlflow.log_metrics(_metrics(trained))
    mlflow.set_tags({"lake": card.lake, "service": card.service, "code": card.code})
    mlflow.log_artifacts(str(scratch), PACKAGE)
    for plot in plots:
        mlflow.log_artifact(str(plot), _PLOTS)
    needs = [f"catboost=={installed('catboost')}"]
    logged = mlflow.catboost.log_model(trained.package.model, name="model", pip_requirements=needs)
    run_id = mlflow.active_run().info.run_id
    tags = {"service": card.service, FINGERPRINT: trained.package.fingerprint}
    # MLflow tells of each version on the error stream, which is for what went wrong
    with contextlib.redirect_stderr(io.StringIO()):
        found = mlflow.register_model(logged.model_uri, card.name, tags=tags)
    registered = Registered(card.name, str(found.version), run_id, trained.package)
    client = mlflow.MlflowClient()
    if CHAMPION not in client.get_registered_model(card.name).aliases:
        _put_in_force(client, registered, approval.Approver(os.environ.get("USER") or f"uid {os.getuid()}", _FIRST))
    return registered


def load(home: Home, name: str, which: str = CHAMPION) -> Registered:
    """Return a registered model.

    Parameters
    ----------
    home : Home
    name : str
        ``recovery`` or ``contact``.
    which : str
        A version number, or an alias.

    Raises
    ------
    NotTrained
        When there is no such version.
    """
    mlflow = _mlflow(home)
    client = mlflow.MlflowClient()
    try:
        found = (
            client.get_model_version(name, which) if which.isdigit() else client.get_model_version_by_alias(name, which)
        )
    except mlflow.exceptions.MlflowException as error:
        raise NotTrained(f"no {name} model {which!r} of {home.root}: run `recoup train {name}` first") from error
    folder = mlflow.artifacts.download_artifacts(run_id=found.run_id, artifact_path=PACKAGE)
    return Registered(name, str(found.version), found.run_id, ModelPackage.load(Path(folder)))


def images(home: Home, registered: Registered) -> Path:
    """Return the folder of the plots (PNG) that a version was registered with."""
    return Path(_mlflow(home).artifacts.download_artifacts(run_id=registered.run_id, artifact_path=_PLOTS))


def promote(
    home: Home, name: str, version: str, alias: str = CHAMPION, approver: approval.Approver | None = None
) -> Registered:
    """Move an alias to a version; services that follow it serve that version from then on.

    Parameters
    ----------
    home : Home
    name : str
        ``recovery`` or ``contact``.
    version : str
        A version number, or an alias whose version it shall be.
    alias : str
        The alias to move. Only `CHAMPION` puts a version in force, and asks for a green model-risk pack.
    approver : Approver, optional
        Who signs an exception when the pack is not green; it is recorded with the version.

    Raises
    ------
    NotTrained
        When there is no such version.
    NotApproved
        When it may not be put in force, and nobody signs.
    RecoupError
        When its package is not usable.
    """
    found = load(home, name, version)
    client = _mlflow(home).MlflowClient()
    if alias == CHAMPION:
        _put_in_force(client, found, approver)
    else:
        client.set_registered_model_alias(name, alias, found.version)
    return found


def note(home: Home, registered: Registered, tags: dict[str, str]) -> None:
    """Note something with a version, as MLflow tags."""
    client = _mlflow(home).MlflowClient()
    for name, text in tags.items():
        client.set_model_version_tag(registered.name, registered.version, name, text)


def release(home: Home, name: str, alias: str) -> None:
    """Let an alias name no version; services that follow it go on with what is in force."""
    if alias == CHAMPION:
        raise ValueError("a version stays in force until another is put there")
    _mlflow(home).MlflowClient().delete_registered_model_alias(name, alias)


def keep_pack(home: Home, registered: Registered, folder: Path) -> None:
    """Keep the files of a version's model-risk pack with its run, and their digest with the version."""
    client = _mlflow(home).MlflowClient()
    client.log_artifacts(registered.run_id, str(folder), _PACK)
    told = approval.digest((folder / approval.PACK).read_bytes())
    client.set_model_version_tag(registered.name, registered.version, _PACK_DIGEST, told)


def pack(home: Home, registered: Registered) -> bytes | None:
    """Return the content of a version's `approval.PACK`; nothing when it was never validated."""
    return _pack(_mlflow(home).MlflowClient(), registered)


def exceptions(home: Home, registered: Registered) -> list[dict[str, Any]]:
    """Return the exceptions under which a version was put in force, the oldest first."""
    held = _mlflow(home).MlflowClient().get_model_version(registered.name, registered.version)
    return json.loads(held.tags.get(_EXCEPTIONS, "[]"))


def _put_in_force(client: Any, registered: Registered, approver: approval.Approver | None) -> None:
    held = client.get_model_version(registered.name, registered.version)
    made_at = datetime.fromtimestamp(held.creation_timestamp / 1000, UTC)
    sha256, fingerprint = held.tags.get(_PACK_DIGEST), registered.package.fingerprint
    lacking = approval.lacking(_pack(client, registered), sha256, registered.label, fingerprint, made_at)
    if lacking and approver is None:
        raise approval.NotApproved(
            f"{registered.label} cannot be put in force: {'; '.join(lacking)}. "
            "Mend it, or have an exception signed: --approver NAME --reason WHY"
        )
    if lacking and approver is not None:
        signed = [*json.loads(held.tags.get(_EXCEPTIONS, "[]")), approver.exception(lacking)]
        client.set_model_version_tag(registered.name, registered.version, _EXCEPTIONS, json.dumps(signed))
    client.set_registered_model_alias(registered.name, CHAMPION, registered.version)


def _pack(client: Any, registered: Registered) -> bytes | None:
    path = f"{_PACK}/{approval.PACK}"
    if path not in {file.path for file in client.list_artifacts(registered.run_id, _PACK)}:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        return Path(client.download_artifacts(registered.run_id, path, scratch)).read_bytes()


def _mlflow(home: Home) -> Any:
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # `mlflow run` names a run of its own database; ours are kept in the home's
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        os.environ.pop(name, None)
    import mlflow
    import mlflow.catboost

    # MLflow and the migrations it runs on a new database report at INFO on every call
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # MLflow notes a run's metrics once more for its model, and gives way where PostgreSQL has them already
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    home.mlflow.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(_tracking(home))
    if mlflow.get_experiment_by_name(_EXPERIMENT) is None:
        mlflow.create_experiment(_EXPERIMENT, artifact_location=(home.mlflow / "artifacts").as_uri())
    mlflow.set_experiment(_EXPERIMENT)
    return mlflow


def _tracking(home: Home) -> str:
    url = database_url()
    if url is None:
        return f"sqlite:///{home.mlflow / 'mlflow.db'}"
    from features.postgres import engine_url, make_schema

    make_schema(url, SCHEMA)
    return engine_url(url, SCHEMA)


def _parameters(trained: "Trained") -> dict[str, Any]:
    card = trained.package.card
    origin = {name: getattr(card, name) for name in ("source", "as_of", "seed", "rows", "service", "lake", "code")}
    return origin | card.parameters | {"optuna_trials": trained.search["trials"]}


def _metrics(trained: "Trained") -> dict[str, float]:
    named = {f"{side}.{metric}": value for side, values in trained.metrics.items() for metric, value in values.items()}
    named |= {f"coverage.{slice_}": share for slice_, share in trained.package.card.coverage.items()}
    named |= {f"utility.{design}": utility for design, utility in trained.search["designs"].items()}
    return named | {"utility": trained.search["utility"]}
