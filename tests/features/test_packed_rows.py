"""Packed rows lose no bit, and none that is damaged is taken for good."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import RecoupError
from features.online_store import rows
from features.online_store.rows import NEVER, Layout

STAMP = pa.timestamp("us", "UTC")
LAYOUT = Layout(("balance", "rate"), ("product", "stage"))
NUMBERS, TEXTS = st.none() | st.floats(), st.none() | st.text()
INSTANTS = st.integers(-(2**62), 2**62)
ROWS = st.lists(st.none() | st.tuples(NUMBERS, NUMBERS, TEXTS, TEXTS, INSTANTS, st.none() | INSTANTS), max_size=8)


def table(many: list[tuple]) -> pa.Table:
    kinds = [pa.float64(), pa.float64(), pa.string(), pa.string(), STAMP, STAMP]
    names = [*LAYOUT.numbers, *LAYOUT.categories, "event", "created"]
    return pa.table([pa.array([row[n] for row in many], kind) for n, kind in enumerate(kinds)], names)


def bits(value: float | None) -> str | None:
    """Tell apart what must stay apart: null, NaN, and either zero."""
    return None if value is None else "nan" if math.isnan(value) else value.hex()


@given(ROWS)
def test_what_is_packed_comes_back_to_the_bit(many):
    packed = iter(rows.pack(LAYOUT, table([row for row in many if row]), "event", "created"))
    columns = rows.unpack(LAYOUT, [next(packed) if row else None for row in many])
    whole = [row or (None, None, None, None, NEVER, NEVER) for row in many]
    assert columns.found == [row is not None for row in many]
    for place, name in enumerate(LAYOUT.numbers):
        numbers = columns.number(name)
        nulls = rows.is_null(numbers)
        back = [None if null else bits(value) for value, null in zip(numbers.tolist(), nulls, strict=True)]
        assert back == [bits(row[place]) for row in whole]
    for place, name in enumerate(LAYOUT.categories, start=2):
        if many:
            assert columns.category(name) == [row[place] for row in whole]
    assert columns.event.tolist() == [row[4] for row in whole]
    assert columns.created.tolist() == [NEVER if row[5] is None else row[5] for row in whole]


def test_rows_of_another_layout_are_refused():
    packed = rows.pack(LAYOUT, table([(1.0, 2.0, "a", "b", 0, 0)]), "event", "created")
    swapped = Layout(("rate", "balance"), ("product", "stage"))
    with pytest.raises(RecoupError, match="recoup materialize"):
        rows.unpack(swapped, packed)


@given(st.tuples(NUMBERS, NUMBERS, TEXTS, TEXTS, INSTANTS, st.none() | INSTANTS), st.data())
def test_no_bit_of_a_row_can_flip_unseen(row, data):
    (packed,) = rows.pack(LAYOUT, table([row]), "event", "created")
    place = data.draw(st.integers(0, 8 * len(packed) - 1))
    flipped = bytearray(packed)
    flipped[place // 8] ^= 1 << place % 8
    for read in (lambda: rows.unpack(LAYOUT, [None, bytes(flipped)]), lambda: rows.unpack_one(LAYOUT, bytes(flipped))):
        with pytest.raises(RecoupError, match="damaged" if place >= 32 else "recoup materialize"):
            read()
