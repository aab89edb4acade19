"""TLS of the services: a certificate and its key, named by ``RECOUP_TLS_CERT`` and ``RECOUP_TLS_KEY`` (PEM)."""

import os
import ssl
from pathlib import Path

from features.errors import RecoupError

_OPTIONS = {"RECOUP_TLS_CERT": "--ssl-certfile", "RECOUP_TLS_KEY": "--ssl-keyfile"}

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2, the least that Python speaks: those with forward secrecy and authenticated encryption (RFC 9325)."""


def options() -> list[str]:
    """Return what BentoML is told; nothing where no certificate is given.

    Raises
    ------
    RecoupError
        When one of the two is missing, or is no file.
    """
    given = {variable: os.environ.get(variable, "") for variable in _OPTIONS}
    if not any(given.values()):
        return []
    for variable, path in given.items():
        if not Path(path).is_file():
            raise RecoupError(f"{variable} is {path!r}: TLS needs a PEM file for each of {' and '.join(_OPTIONS)}")
    return ["--ssl-ciphers", _CIPHERS, *[word for name, path in given.items() for word in (_OPTIONS[name], path)]]


def trust() -> ssl.SSLContext:
    """Return what takes our own certificate for us, whatever name of this machine it is for."""
    context = ssl.create_default_context()
    if options():
        context.load_verify_locations(os.environ["RECOUP_TLS_CERT"])
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
    return context
