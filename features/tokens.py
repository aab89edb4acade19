"""Keyed tokens in place of direct identifiers.

The same value gives the same token under the same key, so linked debtors and shared numbers can
still be found; without the key a token can be neither reversed nor guessed (RFC 7693, keyed BLAKE2).
"""

import hashlib

import polars as pl

from features.environment import secret

KEY_VARIABLE = "RECOUP_TOKEN_KEY"


def key() -> bytes:
    """Return the token key from the environment.

    Raises
    ------
    RecoupError
        When ``RECOUP_TOKEN_KEY`` is unset or shorter than 16 characters.
    """
    return secret(
        KEY_VARIABLE,
        "the file holds direct identifiers,",
        "the same for every file (to make one: python -c 'import secrets; print(secrets.token_hex(32))')",
    )


def fingerprint() -> str:
    """Return a short public mark of the key, to tell whether two steps used the same one."""
    return _digest("recoup key fingerprint", key())[:8]


def tokenise(values: pl.Series) -> pl.Series:
    """Replace each value by its token; nulls stay null.

    Parameters
    ----------
    values : polars.Series of String
        Direct identifiers. Case and surrounding spaces are ignored.

    Returns
    -------
    polars.Series of String
        ``t_`` and 32 hexadecimal digits.

    Raises
    ------
    RecoupError
        When there is a value to replace and no key.
    """
    if values.null_count() == len(values):
        return values.cast(pl.String)
    secret = key()
    clean = values.str.strip_chars().str.to_lowercase().to_list()
    tokens = [None if value is None else "t_" + _digest(value, secret) for value in clean]
    return pl.Series(values.name, tokens, dtype=pl.String)


def _digest(value: str, secret: bytes) -> str:
    return hashlib.blake2b(value.encode(), key=secret[:64], digest_size=16).hexdigest()
