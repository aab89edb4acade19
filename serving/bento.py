"""Bentos: built from registered models, self-contained, and what is inside one.

A Bento holds the code of the floors it needs, the lock, and one model package under ``model/``. It
reads features and writes its journal in the ``RECOUP_HOME`` of where it runs.
"""

import compileall
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import TYPE_CHECKING, TypeVar

from features import home as homes
from features.errors import RecoupError
from features.home import Home

if TYPE_CHECKING:
    from training.package import ModelPackage
    from training.registry import Registered
    from training.row_model import RowModel

Read = TypeVar("Read")
SERVICES = {
    "recovery": ("recoup_pricing", "serving.pricing_service:PricingService"),
    "contact": ("recoup_dispatch", "serving.dispatch_service:DispatchService"),
}
_ROOT = Path(__file__).parents[1]
_CODE = ("features", "training", "serving")
_MODEL = "model"


def build(home: Home, registered: "Registered") -> str:
    """Build the Bento that serves a model version by the code at hand, unless it was built already.

    Parameters
    ----------
    home : Home
        Bentos are kept in its ``bentoml`` folder.
    registered : Registered

    Returns
    -------
    str
        The Bento's tag. Its version names the model's version and fingerprint, and the code's digest.
    """
    bentoml = _bentoml(home)
    name, service = SERVICES[registered.name]
    version = f"v{registered.version}-{registered.package.fingerprint}-{_code_digest()}"
    tag = f"{name}:{version}"
    if any(str(found.tag) == tag for found in bentoml.bentos.list()):
        return tag
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        _stage(context, registered)
        built = bentoml.bentos.build(
            service=service,
            version=version,
            build_ctx=str(context),
            include=["*"],
            labels={"model": registered.label.replace("/", "-"), "run": registered.run_id},
            python={"requirements_txt": "./requirements.lock", "lock_packages": False},
        )
    # a worker that compiles its code as it starts is ready a second later; a hash, since a copy has other dates
    compileall.compile_dir(built.path, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    return tag


def path(home: Home, tag: str) -> Path:
    """Return the folder of a Bento."""
    return Path(_bentoml(home).bentos.get(tag).path)


def model_in(folder: Path) -> tuple["RowModel", str]:
    """Return the model of a folder, for one row at a time, and the version's label.

    Raises
    ------
    RecoupError
        When it is not a usable package.
    """
    from training.row_model import RowModel

    return RowModel.load(folder), _label(folder)


def package_in(folder: Path) -> tuple["ModelPackage", str]:
    """Return the whole package of a folder, for many rows, and the version's label; raises as `model_in`."""
    from training.package import ModelPackage

    return ModelPackage.load(folder), _label(folder)


def contents(read: Callable[[Path], tuple[Read, str]]) -> tuple[Home, Read, str]:
    """Return the home, the model as `model_in` or `package_in` reads it, and its label, of the Bento that runs this.

    Raises
    ------
    RecoupError
        When the code does not run inside a Bento.
    """
    folder = _ROOT / _MODEL
    if not folder.is_dir():
        raise RecoupError("no model beside the code: build a Bento with `recoup build` and serve that")
    return homes.current(), *read(folder)


def put_model(folder: Path, package: "ModelPackage", label: str) -> None:
    """Write a model version as a Bento holds it; see `model_in`."""
    package.save(folder)
    (folder / "label.json").write_text(json.dumps(label))


def _label(folder: Path) -> str:
    return json.loads((folder / "label.json").read_text())


def _code() -> list[Path]:
    """Return all files that go into a Bento beside the model, under their names there.

    Not what Python and numba keep beside the code: it comes and goes as the code runs.
    """
    found = [path for name in _CODE for path in (_ROOT / name).rglob("*") if path.is_file()]
    kept = [path for path in found if "__pycache__" not in path.parts]
    return [path.relative_to(_ROOT) for path in sorted([*kept, _ROOT / "requirements.lock"])]


def _code_digest() -> str:
    digest = hashlib.sha256()
    for path in _code():
        digest.update(f"{path}\0".encode())
        digest.update((_ROOT / path).read_bytes())
    return digest.hexdigest()[:8]


def _stage(context: Path, registered: "Registered") -> None:
    for path in _code():
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_ROOT / path, context / path)
    put_model(context / _MODEL, registered.package, registered.label)


def _bentoml(home: Home):
    # BentoML reads these when it is imported
    os.environ["BENTOML_HOME"] = str(home.bentoml)
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    import bentoml
    from bentoml._internal.bento import BentoStore
    from bentoml._internal.configuration.containers import BentoMLContainer

    # and would keep the stores of a process's first home for all later ones
    store, scratch = (home.bentoml / name for name in ("bentos", "tmp"))
    for folder in (store, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    BentoMLContainer.bento_store.set(BentoStore(store))
    BentoMLContainer.tmp_bento_store_dir.set(str(scratch))
    return bentoml
