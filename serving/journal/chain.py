"""Lines that are chained: each carries a digest over itself and the digest of the line before."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from features.environment import secret
from features.errors import RecoupError

KEY_VARIABLE = "RECOUP_JOURNAL_KEY"
START = bytes(20)
"""What the first line of a chain follows."""
_HEAD = b'{"chain":"'
_REST = len(_HEAD) + 2 * len(START) + len(b'",')


def chain_key() -> bytes:
    """Return the key of the digests, 64 bytes; empty when the environment has none.

    Raises
    ------
    RecoupError
        When ``RECOUP_JOURNAL_KEY`` is shorter than 16 characters.
    """
    if KEY_VARIABLE not in os.environ:
        return b""
    return blake2b(secret(KEY_VARIABLE, "the journal's digests are keyed", "or unset it")).digest()


def fingerprint(key: bytes) -> str:
    """Return a short public mark of a key; empty for no key."""
    return blake2b(b"recoup journal key", key=key, digest_size=4).hexdigest() if key else ""


def linked(rest: bytes, before: bytes, key: bytes) -> tuple[bytes, bytes]:
    """Return a line and its digest.

    Parameters
    ----------
    rest : bytes
        A JSON object without its first brace; not an empty one.
    before : bytes
        The digest of the line before.
    key : bytes
        As `chain_key` gives it.

    Examples
    --------
    >>> line, digest = linked(b'"score":0.5}', START, b"")
    >>> line.startswith(b'{"chain":"' + digest.hex().encode() + b'","score":0.5}')
    True
    """
    digest = _digest(rest, before, key)
    return b'%s%s",%s\n' % (_HEAD, digest.hex().encode(), rest), digest


@dataclass(frozen=True)
class Link:
    """A line of a file: its number and first byte, what it says, its digest, whether it follows the line before."""

    number: int
    offset: int
    content: dict[str, Any]
    digest: bytes
    sound: bool


def links(lines: Iterable[tuple[int, bytes]], key: bytes) -> Iterator[Link]:
    """Yield the whole lines of a file; the chain starts with what its first line says it ``follows``.

    A last line without its end is left out: a crash tore it, and its decision was not answered. One that is
    no chained line at all comes with nothing in it, not sound.

    Parameters
    ----------
    lines : iterable
        Each with the byte where it begins.
    key : bytes
        As `chain_key` gives it.
    """
    before = START
    for number, (offset, line) in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            return
        link = _link(number, offset, line, before, key)
        yield link
        before = link.digest or before


def _link(number: int, offset: int, line: bytes, before: bytes, key: bytes) -> Link:
    rest = line[_REST:-1]
    try:
        content, digest = dict(orjson.loads(line)), bytes.fromhex(line[len(_HEAD) : _REST - 2].decode())
        if number == 1 and "follows" in content:
            before = bytes.fromhex(content["follows"])
    except (ValueError, TypeError):
        return Link(number, offset, {}, b"", sound=False)
    whole = line == b'%s%s",%s\n' % (_HEAD, digest.hex().encode(), rest)
    return Link(number, offset, content, digest, sound=whole and _digest(rest, before, key) == digest)


def carried(line: bytes) -> bytes:
    """Return the digest that a line carries.

    Raises
    ------
    RecoupError
        When it is no chained line.

    Examples
    --------
    >>> line, digest = linked(b'"score":0.5}', START, b"")
    >>> carried(line) == digest
    True
    """
    try:
        return bytes.fromhex(line[len(_HEAD) : _REST - 2].decode())
    except ValueError as error:
        raise RecoupError("a file does not end with a line of the journal: see `recoup journal verify`") from error


def _digest(rest: bytes, before: bytes, key: bytes) -> bytes:
    return blake2b(before + rest, key=key, digest_size=len(START)).digest()
