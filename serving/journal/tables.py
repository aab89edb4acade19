"""A decision about many things at once: its tables are kept beside the journal, its record holds their digests.

So a plan of a hundred thousand attempts is one line of the journal, and no row of it can be changed unseen.
"""

import hashlib
import io
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from features.errors import RecoupError
from serving.journal.keeper import TABLES, Shelf

if TYPE_CHECKING:
    import polars as pl


def keep(shelf: Shelf, tables: Mapping[str, "pl.DataFrame"]) -> dict[str, dict[str, Any]]:
    """Keep tables, safe when the shelf is left.

    Parameters
    ----------
    shelf : Shelf
    tables : dict of str to polars.DataFrame
        By name.

    Returns
    -------
    dict of str to dict
        By name: ``file``, ``rows`` and ``sha256``, for the record.

    Raises
    ------
    OSError
        When the disk does not take them.
    """
    mark, told = f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(5)}", {}
    for name, table in tables.items():
        file, parquet = f"{mark}-{name}.parquet", io.BytesIO()
        table.write_parquet(parquet)
        content = parquet.getvalue()
        shelf.keep_table(file, content)
        told[name] = {"file": file, "rows": table.height, "sha256": _digest(content)}
    return told


def read(shelf: Shelf, record: Mapping[str, Any], name: str) -> "pl.DataFrame":
    """Return a table of a record.

    Raises
    ------
    RecoupError
        When the record has no such table, or it is not as it was kept.
    """
    import polars as pl

    told = record.get(TABLES, {}).get(name)
    if told is None:
        raise RecoupError(f"decision {record['decision_id']} has no {name}")
    content = shelf.table(told["file"])
    if why := _fault(content, told["sha256"]):
        raise RecoupError(f"{TABLES}/{told['file']} {why}: see `recoup journal verify`")
    return pl.read_parquet(io.BytesIO(content or b""))


def row(shelf: Shelf, record: Mapping[str, Any], name: str, number: int) -> dict[str, Any]:
    """Return the record of one row of a table: what the whole says, with the row's own words before the whole's.

    Raises
    ------
    RecoupError
        See `read`; also when the table has fewer rows.
    """
    table = read(shelf, record, name)
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


def faults(shelf: Shelf, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the tables of a record that are not as they were kept, and what is wrong."""
    for told in record.get(TABLES, {}).values():
        if why := _fault(shelf.table(told["file"]), told["sha256"]):
            yield f"{TABLES}/{told['file']}", why


def files(record: Mapping[str, Any]) -> list[str]:
    """Return the names under which the tables of a record are kept."""
    return [told["file"] for told in record.get(TABLES, {}).values()]


def _fault(content: bytes | None, digest: str) -> str:
    if content is None:
        return "is missing"
    return "" if _digest(content) == digest else "was changed"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
