"""Keys of the services: who may ask what, and until when.

A key is shown once, when it is made. The home keeps its SHA-256 only: a key holds 256 random bits, so
nothing slower is needed. ``RECOUP_API_KEY`` in the environment is one more key, with every scope.
"""

import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from features.environment import secret
from features.errors import RecoupError
from features.files import locked, replace
from features.home import Home

KEY_VARIABLE = "RECOUP_API_KEY"
SCOPES = ("price", "dispatch", "explain", "admin")


@dataclass(frozen=True)
class Key:
    """A key without its secret.

    ``expires_at`` is in ISO 8601, UTC, empty for none; ``rate`` is in requests a second, 0 for no limit and
    None for the service's own.
    """

    id: str
    scopes: tuple[str, ...]
    made_at: str
    expires_at: str
    rate: float | None = None

    def may(self, scope: str) -> bool:
        """Return whether the key opens what needs a scope."""
        return scope in self.scopes

    def expired(self, now: datetime) -> bool:
        """Return whether the key's time is over."""
        return bool(self.expires_at) and now >= datetime.fromisoformat(self.expires_at)


class KeyRing:
    """The keys of one home. A key made or revoked counts from the next request on.

    Raises
    ------
    RecoupError
        When ``RECOUP_API_KEY`` is set and shorter than 16 characters.
    """

    def __init__(self, home: Home):
        self._folder = home.keys
        self._path = home.keys / "keys.json"
        self._seen: tuple[int, int] | None = None
        self._keys: dict[str, Key] = {}
        given = KEY_VARIABLE in os.environ
        self._given = {_hash(api_key()): Key("environment", SCOPES, "", "")} if given else {}

    def make(self, scopes: Iterable[str], expires_at: datetime | None, rate: float | None = None) -> tuple[Key, str]:
        """Make a key.

        Parameters
        ----------
        scopes : iterable of str
            Of `SCOPES`.
        expires_at : datetime, optional
            UTC; without it the key lasts until it is revoked.
        rate : float, optional
            Requests a second that each worker answers to the key, 0 for no limit; the service's own if not given.

        Returns
        -------
        key : Key
        shown : str
            What the caller sends; it is kept nowhere.

        Raises
        ------
        RecoupError
            When a scope is unknown, the rate is below zero, or the time is over already.
        """
        asked, now = tuple(dict.fromkeys(scopes)), datetime.now(UTC)
        unknown = [scope for scope in asked if scope not in SCOPES]
        if unknown or not asked:
            raise RecoupError(f"no scope {' '.join(unknown)!r}: give one or more of {', '.join(SCOPES)}")
        if expires_at is not None and expires_at <= now:
            raise RecoupError(f"the key would have expired at {expires_at:%Y-%m-%d %H:%M} UTC: give a day to come")
        if rate is not None and not 0 <= rate < math.inf:
            raise RecoupError(f"no rate {rate}: give requests a second, or 0 for no limit")
        shown = f"recoup_{secrets.token_urlsafe(32)}"
        key = Key(secrets.token_hex(4), asked, now.isoformat(), expires_at.isoformat() if expires_at else "", rate)
        with locked(self._folder):
            self._write(self._current() | {_hash(shown.encode()): key})
        return key, shown

    def made(self) -> list[Key]:
        """Return all keys, oldest first."""
        return sorted(self._current().values(), key=lambda key: key.made_at)

    def revoke(self, key_id: str) -> None:
        """End a key.

        Raises
        ------
        RecoupError
            When there is no such key.
        """
        with locked(self._folder):
            kept = {digest: key for digest, key in self._current().items() if key.id != key_id}
            if len(kept) == len(self._current()):
                raise RecoupError(f"no key {key_id!r}: `recoup key list` shows them")
            self._write(kept)

    def holder(self, shown: bytes) -> Key | None:
        """Return the key that a caller shows; nothing when it is unknown, revoked or expired."""
        digest = _hash(shown)
        key = self._given.get(digest) or self._current().get(digest)
        return None if key is None or key.expired(datetime.now(UTC)) else key

    def require_any(self) -> None:
        """Refuse to serve where nobody could ask.

        Raises
        ------
        RecoupError
            When no key was made and ``RECOUP_API_KEY`` is unset or shorter than 16 characters.
        """
        if not self._current():
            api_key()

    def _current(self) -> dict[str, Key]:
        """Return the keys by their hash, read again when the file has changed."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return {}
        if (found.st_ino, found.st_mtime_ns) != self._seen:
            try:
                held = json.loads(self._path.read_text())
                self._keys = {digest: Key(**key | {"scopes": tuple(key["scopes"])}) for digest, key in held.items()}
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise RecoupError(f"{self._path} cannot be read: restore it, or delete it and make new keys") from error
            self._seen = (found.st_ino, found.st_mtime_ns)
        return self._keys

    def _write(self, keys: dict[str, Key]) -> None:
        replace(self._path, json.dumps({digest: asdict(key) for digest, key in keys.items()}, indent=1).encode())


def api_key() -> bytes:
    """Return the key of the environment.

    Raises
    ------
    RecoupError
        When ``RECOUP_API_KEY`` is unset or shorter than 16 characters.
    """
    how = "that callers send as `Authorization: Bearer KEY`, or make one with `recoup key create`"
    return secret(KEY_VARIABLE, "the services answer to a key,", how)


def _hash(shown: bytes) -> str:
    return hashlib.sha256(shown).hexdigest()
