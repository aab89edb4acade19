"""Callers of an identity provider: signed JSON Web Tokens (RFC 7519) in place of a key.

Taken when ``RECOUP_JWT_ISSUER``, ``RECOUP_JWT_AUDIENCE`` and ``RECOUP_JWT_JWKS`` (the provider's public keys,
RFC 7517: a file, or an https address) are set. A token opens the scopes that its claim ``scope`` names (RFC
8693), until it expires. Only asymmetric signatures count (RFC 8725): who can check a shared secret can sign
with it as well.
"""

import hashlib
import json
import logging
import os
import threading
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt

from features.errors import RecoupError
from features.home import Home
from serving.access.keys import SCOPES, Key, KeyRing

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_SETTINGS = ("RECOUP_JWT_ISSUER", "RECOUP_JWT_AUDIENCE", "RECOUP_JWT_JWKS")
_OPTIONS: Any = {"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True}
_LEEWAY_SECONDS = 10
_LONGEST_SUBJECT = 255  # as OpenID Connect has it
_REMEMBERED = 4096


class Provider:
    """The public keys of an identity provider, read again every few minutes and when a token names another.

    Parameters
    ----------
    place : str
        A file's path, or an address.
    """

    _EVERY_SECONDS, _PAUSE_SECONDS, _TIMEOUT_SECONDS, _MOST_BYTES = 300, 10, 5, 1 << 20

    def __init__(self, place: str):
        self._place = place
        self._keys: dict[str | None, jwt.PyJWK] | None = None
        self._asked, self._read_at = threading.Event(), -float("inf")
        threading.Thread(target=self._follow, name="identity", daemon=True).start()

    def keys(self) -> dict[str | None, jwt.PyJWK]:
        """Return the keys by their ``kid``; the same object until they were read again.

        Raises
        ------
        RecoupError
            When they could not be read yet.
        """
        if self._keys is None:
            raise RecoupError("the keys of the identity provider could not be read yet")
        return self._keys

    def look_again(self) -> None:
        """Ask for the keys to be read again, unless they were just now.

        Raises
        ------
        RecoupError
            When they will be: the caller may try again.
        """
        if time.monotonic() - self._read_at > self._PAUSE_SECONDS:
            self._asked.set()
            raise RecoupError("the keys of the identity provider are being read again")

    def _follow(self) -> None:
        while True:
            try:
                held = json.loads(self._content())["keys"]
                found = [jwt.PyJWK(key) for key in held if key.get("kty") in ("RSA", "EC", "OKP")]
                self._keys = {key.key_id: key for key in found if key.algorithm_name in ALGORITHMS}
            except (OSError, ValueError, TypeError, KeyError, AttributeError, jwt.PyJWTError) as error:
                logging.getLogger(__name__).error("the keys in %s cannot be read: %s", self._place, error)
            self._read_at = time.monotonic()
            self._asked.clear()
            self._asked.wait(self._EVERY_SECONDS if self._keys else self._PAUSE_SECONDS)

    def _content(self) -> bytes:
        if not _address(self._place):
            return Path(self._place).read_bytes()
        with urllib.request.urlopen(self._place, timeout=self._TIMEOUT_SECONDS) as answer:
            return answer.read(self._MOST_BYTES)


class Tokens:
    """The tokens of one issuer for one audience."""

    def __init__(self, issuer: str, audience: str, provider: Provider):
        self._issuer, self._audience, self._provider = issuer, audience, provider
        self._under: dict[str | None, jwt.PyJWK] = {}
        self._seen: dict[bytes, Key] = {}

    def holder(self, shown: bytes) -> Key | None:
        """Return who shows a token, as a key; nothing when it is not good now.

        Raises
        ------
        RecoupError
            When the provider's keys are not known yet.
        """
        if shown.count(b".") != 2:
            return None
        keys, digest = self._provider.keys(), hashlib.sha256(shown).digest()
        if keys is not self._under or len(self._seen) >= _REMEMBERED:
            self._under, self._seen = keys, {}
        key = self._seen.get(digest)
        if key is None:
            key = self._checked(shown)
            if key is not None:
                self._seen[digest] = key
        return None if key is None or key.expired(datetime.now(UTC)) else key

    def _checked(self, shown: bytes) -> Key | None:
        try:
            named = jwt.get_unverified_header(shown).get("kid")
            if named not in self._under:
                self._provider.look_again()
                return None
            claims = jwt.decode(
                shown, self._under[named], list(ALGORITHMS), _OPTIONS,
                audience=self._audience, issuer=self._issuer, leeway=_LEEWAY_SECONDS,
            )  # fmt: skip
            ends = datetime.fromtimestamp(int(claims["exp"]) + _LEEWAY_SECONDS, UTC).isoformat()
        except (jwt.PyJWTError, TypeError, ValueError, OverflowError, OSError):  # the last two: the year of its end
            return None
        subject, opened = claims["sub"], str(claims.get("scope", "")).split()
        if len(subject) > _LONGEST_SUBJECT:
            return None
        return Key(f"jwt:{subject}", tuple(scope for scope in SCOPES if scope in opened), "", ends)


class Callers:
    """Whoever may ask a service: the holders of keys, and of tokens when any are taken.

    Raises
    ------
    RecoupError
        When a setting is missing or makes no sense, or there is neither a key nor a provider.
    """

    def __init__(self, home: Home):
        require_any(home)
        self._ring, self._tokens = KeyRing(home), _tokens()

    def holder(self, shown: bytes) -> Key | None:
        """Return the key, or what stands for one, that a caller shows; nothing when it opens nothing now.

        Raises
        ------
        RecoupError
            When that cannot be said now.
        """
        key = self._ring.holder(shown)
        return self._tokens.holder(shown) if key is None and self._tokens else key


def require_any(home: Home) -> None:
    """Refuse to serve where nobody could ask.

    Raises
    ------
    RecoupError
        When there is no key and no identity provider.
    """
    if not any(os.environ.get(name) for name in _SETTINGS):
        KeyRing(home).require_any()


def _tokens() -> Tokens | None:
    given = {name: os.environ[name] for name in _SETTINGS if os.environ.get(name)}
    if not given:
        return None
    if missing := [name for name in _SETTINGS if name not in given]:
        raise RecoupError(f"tokens of an identity provider need {' and '.join(missing)} as well")
    issuer, audience, place = given.values()
    if not _address(place) and not Path(place).is_file():
        raise RecoupError(f"{_SETTINGS[-1]} is {place!r}: give an https address, or the path of a file")
    return Tokens(issuer, audience, Provider(place))


def _address(place: str) -> bool:
    """Return whether keys are fetched: from an address that is encrypted, or on this machine."""
    parts = urlsplit(place)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost"))
