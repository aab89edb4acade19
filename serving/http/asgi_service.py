"""A Bento whose worker runs our own application.

BentoML's own endpoints cost most of an answer, and a service with a command of its own is reached through
a proxy that costs more. `bentoml.Service.to_asgi` gives the application that a worker serves: ours gives
Starlette's, so that processes, sockets and TLS stay BentoML's.
"""

import logging
from importlib import import_module
from typing import Any

import bentoml

from serving.http.worker import end_with_parent


class AsgiService(bentoml.Service[Any]):
    """A BentoML service that is a Starlette application.

    The class that it wraps names the application's module in ``application``; the module is imported by the
    workers only.
    """

    def to_asgi(self, is_main: bool = True) -> Any:
        """Return the application that a worker serves, in that worker."""
        from serving.http.app import create

        end_with_parent()
        logging.getLogger(
            "uvicorn.access"
        ).propagate = False  # or uvicorn words every answer for a log that is not kept
        return create(import_module(self.inner.application).SERVICE)
