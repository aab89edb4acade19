"""Look-ups in small tables for compiled loops, eight at a time.

A processor with AVX-512 looks up eight of sixteen numbers in one instruction, where eight loads take
several times as long. On other processors, and in larger tables, numbers are loaded one by one.
"""

from typing import Any

from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
LEAST = 2 * LANES
"""The smallest table: what one instruction looks up in."""

_LONG, _DOUBLE = ir.IntType(64), ir.DoubleType()
_LONGS, _DOUBLES = ir.VectorType(_LONG, LANES), ir.VectorType(_DOUBLE, LANES)


_AT_ONCE = binding.get_host_cpu_features().get("avx512f", False)


@njit(cache=True, nogil=True)
def add(into: Any, table: Any, places: Any) -> None:
    """Add ``table[places]`` to ``into``, for compiled loops.

    Parameters
    ----------
    into : ndarray of float64, shape (n,)
        n is a multiple of `LANES`.
    table : ndarray of float64, shape (m,)
        m is at least `LEAST`; looked up eight at a time when it is that.
    places : ndarray of uint16, shape (n,)
        Nothing checks that they lie within.
    """
    if len(table) == LEAST:
        for start in range(0, len(into), LANES):
            _add_eight(into, table, places, start)  # type: ignore[call-arg]  # the context is numba's
    else:
        for row in range(len(into)):
            into[row] += table[places[row]]


@intrinsic
def _add_eight(_context: Any, into: Any, table: Any, places: Any, start: Any) -> Any:
    """Compile ``into[start : start + 8] += table[places[start : start + 8]]``, all contiguous."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        target, source, chosen = (
            context.make_array(kind)(context, builder, array).data
            for kind, array in zip(signature.args[:3], arguments[:3], strict=True)
        )
        target, chosen = (builder.gep(pointer, [arguments[3]]) for pointer in (target, chosen))
        target = builder.bitcast(target, _DOUBLES.as_pointer())
        chosen = builder.bitcast(chosen, ir.VectorType(ir.IntType(16), LANES).as_pointer())
        place = builder.zext(builder.load(chosen, align=2), _LONGS)
        found = (_by_permutation if _AT_ONCE else _by_loads)(builder, source, place)
        builder.store(builder.fadd(builder.load(target, align=8), found), target, align=8)
        return context.get_dummy_value()

    return types.none(into, table, places, start), generate


def _by_loads(builder: ir.IRBuilder, table: ir.Value, places: ir.Value) -> ir.Value:
    found = _DOUBLES(ir.Undefined)
    for lane in map(ir.IntType(32), range(LANES)):
        loaded = builder.load(builder.gep(table, [builder.extract_element(places, lane)]))
        found = builder.insert_element(found, loaded, lane)
    return found


def _by_permutation(builder: ir.IRBuilder, table: ir.Value, places: ir.Value) -> ir.Value:
    """Return what VPERMI2PD takes out of a table of `LEAST` numbers."""
    pointer = builder.bitcast(table, _DOUBLES.as_pointer())
    low, high = (builder.load(builder.gep(pointer, [_LONG(half)]), align=8) for half in range(2))
    kind = ir.FunctionType(_DOUBLES, (_DOUBLES, _LONGS, _DOUBLES))
    permute = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.vpermi2var.pd.512")
    return builder.call(permute, (low, places, high))
