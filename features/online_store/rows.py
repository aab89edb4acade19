"""How an entity's features become one value, and columns again.

A packed row is a head of fixed length (the layout's fingerprint, a checksum of all that follows, the event and
the created timestamp in microseconds since 1970, then every number as a float64, all little-endian) and a tail:
the categories as UTF-8, parted by the byte FF. A null number is a NaN of its own, a null category
the byte FE; neither byte occurs in UTF-8.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import RecoupError

NEVER = np.iinfo(np.int64).min
"""Stands for a timestamp that a row does not have."""

_NULL = np.array([0x7FF8_0000_0000_07A2], dtype=np.uint64).view(np.float64)[0]
_PART, _NO_TEXT = b"\xff", b"\xfe"
_SPLIT, _NO_TEXT_READ = (part.decode(errors="surrogateescape") for part in (_PART, _NO_TEXT))
PACKING = 2
"""How rows are packed here; those of another number are written anew."""


class Damaged(RecoupError):
    """A row is not as it was written."""

    def __init__(self) -> None:
        super().__init__(
            "a row of the online store is damaged: look at its disk or memory, and fill a new store: docs/operate.md"
        )


@dataclass(frozen=True)
class Layout:
    """The names of a view's numbers and categories, in the order in which its rows hold them."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]

    @cached_property
    def fingerprint(self) -> int:
        """What a row of this layout begins with."""
        names = json.dumps([PACKING, self.numbers, self.categories]).encode()
        return int.from_bytes(hashlib.sha256(names).digest()[:4], "little")

    @cached_property
    def head(self) -> np.dtype:
        """The fixed part of a row."""
        return np.dtype(
            [("layout", "<u4"), ("check", "<u4"), ("event", "<i8"), ("created", "<i8"),
             ("numbers", "<f8", (len(self.numbers),))]
        )  # fmt: skip

    @cached_property
    def size(self) -> int:
        """How many bytes the fixed part has."""
        return self.head.itemsize

    @cached_property
    def nothing(self) -> bytes:
        """A row in which all is null."""
        head = np.array((self.fingerprint, 0, NEVER, NEVER, [_NULL] * len(self.numbers)), self.head)
        return _checked(head.tobytes() + _PART.join([_NO_TEXT] * len(self.categories)))

    @cached_property
    def mark(self) -> bytes:
        """The bytes that a row of this layout begins with."""
        return self.fingerprint.to_bytes(4, "little")

    @cached_property
    def number_places(self) -> dict[str, int]:
        """Each number's place among the numbers."""
        return {name: place for place, name in enumerate(self.numbers)}

    @cached_property
    def category_places(self) -> dict[str, int]:
        """Each category's place among the categories."""
        return {name: place for place, name in enumerate(self.categories)}


@dataclass(frozen=True)
class Columns:
    """Packed rows as columns.

    Attributes
    ----------
    layout : Layout
        What the columns are.
    found : list of bool, m
        Which rows there are; where one is not, all else is null.
    event, created : numpy.ndarray of int64, shape (m,)
        Microseconds since 1970, UTC; `NEVER` where there is none.
    numbers : numpy.ndarray of float64, shape (m, numbers)
        NaN where unknown; see `is_null`.
    texts : list of tuple of bytes
        For each category, m packed texts.
    """

    layout: Layout
    found: list[bool]
    event: np.ndarray
    created: np.ndarray
    numbers: np.ndarray
    texts: list[tuple[bytes, ...]]

    def number(self, name: str) -> np.ndarray:
        """Return a number by name: float64, shape (m,)."""
        return self.numbers[:, self.layout.number_places[name]]

    def category(self, name: str) -> list[str | None]:
        """Return a category by name: m texts, None where it is null."""
        texts = self.texts[self.layout.category_places[name]]
        meanings = {text: None if text == _NO_TEXT else text.decode() for text in set(texts)}
        return [meanings[text] for text in texts]


class Row(NamedTuple):
    """One packed row, taken apart.

    Attributes
    ----------
    found : bool
        Whether there is one; where not, all else is null.
    event : int
        Microseconds since 1970, UTC; `NEVER` where there is none.
    numbers : bytes
        Float64, little-endian, in the layout's order.
    texts : list of str or None
        The categories in the layout's order, None where null.
    """

    found: bool
    event: int
    numbers: bytes
    texts: list[str | None]


def unpack_one(layout: Layout, row: bytes | None) -> Row:
    """Take one packed row apart; None is a row that there is not.

    Raises
    ------
    RecoupError
        When it was packed by another layout, or is `Damaged`.
    """
    whole, size = _whole(layout, row), layout.size
    # one that is not UTF-8 stands for itself, so that all the categories are read at once
    texts = whole[size:].decode(errors="surrogateescape").split(_SPLIT) if layout.categories else []
    return Row(
        row is not None,
        int.from_bytes(whole[8:16], "little", signed=True),
        whole[24:size],
        [None if text == _NO_TEXT_READ else text for text in texts],
    )


def is_null(numbers: np.ndarray) -> np.ndarray:
    """Tell the numbers that were null from those that were NaN."""
    return np.ascontiguousarray(numbers).view(np.uint64) == _NULL.view(np.uint64)


def pack(layout: Layout, table: pa.Table, event: str, created: str | None) -> list[bytes]:
    """Return one packed row per row of a table.

    Parameters
    ----------
    layout : Layout
        Columns to pack; the table has them all, numbers as float64 and categories as text.
    table : pyarrow.Table, n rows
        Its timestamps are in UTC.
    event, created : str
        Columns of the timestamps.

    Returns
    -------
    list of bytes, n
    """
    heads = np.empty(table.num_rows, layout.head)
    heads["layout"], heads["check"] = layout.fingerprint, 0
    heads["event"] = _microseconds(table.column(event))
    heads["created"] = _microseconds(table.column(created)) if created else NEVER
    for place, name in enumerate(layout.numbers):
        heads["numbers"][:, place] = _numbers(table.column(name).combine_chunks())
    size = pa.binary(layout.size)
    rows = pa.FixedSizeBinaryArray.from_buffers(size, len(heads), [None, pa.py_buffer(heads)]).cast(pa.large_binary())
    if layout.categories:
        texts = [
            table.column(name).combine_chunks().cast(pa.large_string()).cast(pa.large_binary())
            for name in layout.categories
        ]
        tails = _joined(*texts, between=_PART, null_handling="replace", null_replacement=_NO_TEXT)
        rows = _joined(rows, tails, between=b"")
    return [_checked(row) for row in rows.to_pylist()]


def unpack(layout: Layout, rows: Sequence[bytes | None]) -> Columns:
    """Return the columns of packed rows; None among them is a row that there is not.

    Raises
    ------
    RecoupError
        When a row was packed by another layout, or is `Damaged`.

    Examples
    --------
    >>> layout = Layout(("balance",), ("product",))
    >>> at = pa.array([0], pa.timestamp("us", "UTC"))
    >>> table = pa.table({"balance": [12.5], "product": ["card"], "at": at})
    >>> columns = unpack(layout, [None, *pack(layout, table, "at", None)])
    >>> columns.found, columns.number("balance").tolist(), columns.category("product")
    ([False, True], [nan, 12.5], [None, 'card'])
    """
    size = layout.size
    whole = [_whole(layout, row) for row in rows]
    heads = np.frombuffer(b"".join([row[:size] for row in whole]), layout.head)
    texts = list(zip(*[row[size:].split(_PART) for row in whole], strict=True)) if layout.categories else []
    found = [row is not None for row in rows]
    return Columns(layout, found, heads["event"], heads["created"], heads["numbers"], texts)


def _whole(layout: Layout, row: bytes | None) -> bytes:
    """Return a row, or what stands for none, after a look at its head."""
    if row is None:
        return layout.nothing
    if row[:4] != layout.mark:
        raise RecoupError(
            "the online store holds rows of other feature definitions: run `recoup materialize` to write them anew"
        )
    if row[4:8] != _check(row):
        raise Damaged
    return row


def _check(row: bytes) -> bytes:
    """Return the checksum of what follows it in a row."""
    return crc32(row[8:]).to_bytes(4, "little")


def _checked(row: bytes) -> bytes:
    return row[:4] + _check(row) + row[8:]


def _microseconds(stamps: pa.ChunkedArray) -> np.ndarray:
    return stamps.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).fill_null(NEVER).to_numpy()


def _numbers(column: pa.Array) -> np.ndarray:
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    nulls = column.is_null().to_numpy(zero_copy_only=False)
    return np.where(nulls, _NULL, np.where(np.isnan(values), np.nan, values))


def _joined(*parts: pa.Array, between: bytes, **options: object) -> pa.Array:
    return pc.binary_join_element_wise(*parts, pa.scalar(between, pa.large_binary()), **options)
