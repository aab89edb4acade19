"""Takes news of alerts to a webhook; what it does not take stays until the next run."""

import os

import httpx

from monitoring.ledger import Ledger

ADDRESS = "RECOUP_ALERT_WEBHOOK"
_PATIENCE = 5.0


def deliver(ledger: Ledger) -> str | None:
    """Post all news that is undelivered, the oldest first, each as JSON; stop at the first that is not taken.

    A receiver may get the same news twice, when a run ends between its answer and our note of it: ``id``,
    ``state`` and ``last_seen`` tell. Where no address is given, there is nobody to tell.

    Returns
    -------
    str, optional
        Why the rest was not delivered.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        ledger.undelivered.clear()
        ledger.save()
        return None
    try:
        with httpx.Client(timeout=_PATIENCE) as client:
            while ledger.undelivered:
                client.post(address, json=ledger.undelivered[0]).raise_for_status()
                ledger.undelivered.pop(0)
                ledger.save()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{len(ledger.undelivered)} alerts wait for the webhook: {_said(error)}"
    return None


def _said(error: Exception) -> str:
    """Return an error without the address, which may hold a secret."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code}"
    return type(error).__name__
