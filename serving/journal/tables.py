"""A decision about many things at once: its tables lie beside the journal, its record holds their digests.

So a plan of a hundred thousand attempts is one line of the journal, and no row of it can be changed unseen.
"""

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import RecoupError
from features.files import put, sha256

if TYPE_CHECKING:
    import polars as pl

TABLES = "tables"
"""What a record calls them, and the folder beside the journal's files."""


def keep(folder: Path, tables: Mapping[str, "pl.DataFrame"]) -> dict[str, dict[str, Any]]:
    """Write tables, on disk when this returns.

    Parameters
    ----------
    folder : Path
        Of the journal.
    tables : dict of str to polars.DataFrame
        By name.

    Returns
    -------
    dict of str to dict
        By name: ``file``, ``rows`` and ``sha256``, for the record.
    """
    place, told = folder / TABLES, {}
    place.mkdir(parents=True, exist_ok=True)
    mark = f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(5)}"
    for name, table in tables.items():
        path = place / f"{mark}-{name}.parquet"
        part = path.with_name(f".{path.name}.part")
        table.write_parquet(part)
        put(part, path)
        told[name] = {"file": path.name, "rows": table.height, "sha256": sha256(path)}
    return told


def read(folder: Path, record: Mapping[str, Any], name: str) -> "pl.DataFrame":
    """Return a table of a record.

    Raises
    ------
    RecoupError
        When the record has no such table, or the file is not as it was written.
    """
    import polars as pl

    told = record.get(TABLES, {}).get(name)
    if told is None:
        raise RecoupError(f"decision {record['decision_id']} has no {name}")
    if why := _fault(folder / TABLES / told["file"], told["sha256"]):
        raise RecoupError(f"{TABLES}/{told['file']} {why}: see `recoup journal verify`")
    return pl.read_parquet(folder / TABLES / told["file"])


def row(folder: Path, record: Mapping[str, Any], name: str, number: int) -> dict[str, Any]:
    """Return the record of one row of a table: what the whole says, with the row's own words before the whole's.

    Raises
    ------
    RecoupError
        See `read`; also when the table has fewer rows.
    """
    table = read(folder, record, name)
    if number >= table.height:
        raise RecoupError(f"decision {record['decision_id']} has {table.height} {name}, not {number + 1}")
    whole = {key: value for key, value in record.items() if key != TABLES}
    return whole | table.row(number, named=True) | {"decision_id": row_id(record["decision_id"], name, number)}


def row_id(decision_id: str, name: str, number: int) -> str:
    """Return the decision id of a row of a table.

    Examples
    --------
    >>> row_id("20260101-5f9f0b1a7c-1-3c4d", "contacts", 17)
    '20260101-5f9f0b1a7c-1-3c4d.contacts.17'
    """
    return f"{decision_id}.{name}.{number}"


def whole_id(decision_id: str) -> str:
    """Return the decision id of the whole that a row is of, or of the whole itself.

    Examples
    --------
    >>> whole_id("20260101-5f9f0b1a7c-1-3c4d.contacts.17")
    '20260101-5f9f0b1a7c-1-3c4d'
    """
    return decision_id.partition(".")[0]


def faults(folder: Path, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the files of a record that are not as they were written, and what is wrong."""
    for told in record.get(TABLES, {}).values():
        if why := _fault(folder / TABLES / told["file"], told["sha256"]):
            yield f"{TABLES}/{told['file']}", why


def files(folder: Path, record: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the files of a record that are there."""
    for told in record.get(TABLES, {}).values():
        if (path := folder / TABLES / told["file"]).is_file():
            yield path


def _fault(path: Path, digest: str) -> str:
    if not path.is_file():
        return "is missing"
    return "" if sha256(path) == digest else "was changed"
