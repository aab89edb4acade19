"""A plan's folder: read whole or not at all."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from features.errors import RecoupError
from serving.dispatch import plots


def check_free(out: Path) -> None:
    """Refuse a folder that holds something else.

    Raises
    ------
    RecoupError
        Naming it.
    """
    if out.exists() and not (out / "plan.json").is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise RecoupError(f"{out} holds something that is not a plan: give another --out")


def write(out: Path, tables: dict[str, pl.DataFrame], report: dict[str, Any]) -> None:
    """Write the folder so that a reader finds the old plan or the new, never a part.

    Parameters
    ----------
    out : Path
    tables : dict of str to polars.DataFrame
        By the name of their file; ``plan`` holds the contacts.
    report : dict
        What ``plan.json`` says.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part, old = (out.with_name(f".{out.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    part.mkdir()
    try:
        for name, table in tables.items():
            table.write_parquet(part / f"{name}.parquet")
        (part / "plan.json").write_text(json.dumps(report, indent=1))
        plots.plan(tables["plan"], report, part / "plan.png")
        if out.exists():
            out.rename(old)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
