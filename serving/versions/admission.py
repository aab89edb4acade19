"""A registered version let in: ``python -m serving.versions.admission MODEL VERSION FINGERPRINT ARTIFACTS FOLDER``.

It runs in a process of its own: it loads what a worker can do without, and whatever a broken package does to
the process that reads it must not happen to one that answers.
"""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np

from features.errors import RecoupError
from features.files import locked
from serving import bento
from serving.versions.releases import require_served
from training.aliases import PACKAGE
from training.package import ModelPackage

_KINDNESS = 10
_SAME = 1e-9
_EXPLAINED_ROWS = 64


def main(model: str, version: str, fingerprint: str, artifacts: str, folder: str) -> None:
    """Copy and verify a version; its package is in ``folder`` afterwards, whole or not at all.

    Raises
    ------
    RecoupError
        When it is not on this machine, or `verify` refuses it.
    """
    os.nice(_KINDNESS)  # scores that somebody waits for go first
    whole, part = Path(folder), Path(f"{folder}.part")
    with locked(whole.parent):
        if whole.is_dir():
            with suppress(RecoupError):
                bento.model_in(whole)
                return  # another worker was faster
            shutil.rmtree(whole)
        package = ModelPackage.load(_path(artifacts) / PACKAGE)
        verify(package, model, fingerprint)
        shutil.rmtree(part, ignore_errors=True)
        bento.put_model(part, package, f"{model}/{version}")
        part.rename(whole)


def verify(package: ModelPackage, model: str, fingerprint: str) -> None:
    """Refuse a package that is not what was registered, or that this code cannot serve.

    Parameters
    ----------
    package : ModelPackage
    model : str
        ``recovery`` or ``contact``.
    fingerprint : str
        Of the package when it was registered.

    Raises
    ------
    RecoupError
        When it is another package, its inputs are not those that are served, or it scores or explains its
        own reference otherwise than it did when it was trained.
    """
    if package.fingerprint != fingerprint:
        raise RecoupError(f"the package is {package.fingerprint}, registered was {fingerprint or 'none'}")
    require_served(package.card, model)
    reference = package.reference
    off = np.abs(package.scores(reference) - reference["score"].to_numpy()).max()
    if not off <= _SAME:
        raise RecoupError(f"it scores its own reference otherwise than when it was trained: by up to {off:.3g}")
    try:
        some = reference.head(_EXPLAINED_ROWS)
        package.shap.verify(package.model, package.pool(some))
        package.explain(some)
    except (ArithmeticError, ValueError) as error:
        raise RecoupError(f"its explanations do not hold: {error}") from error


def _path(uri: str) -> Path:
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        raise RecoupError(f"its artifacts are at {parts.scheme}://: services read those in files")
    return Path(unquote(parts.path))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except RecoupError as refused:
        sys.exit(str(refused))
