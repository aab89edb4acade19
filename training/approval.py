"""Whether a version may be put in force: a complete, green model-risk pack of its own, or a signed exception."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from features.errors import RecoupError

PACK = "pack.json"
"""File of a pack's figures; see `monitoring.validation.job`."""
GREEN = "green"


class NotApproved(RecoupError):
    """A version lacks what it needs to be put in force."""


@dataclass(frozen=True)
class Approver:
    """Who signs an exception, and why; both stay on record with the version."""

    name: str
    reason: str

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.reason.strip():
            raise RecoupError("an exception needs the name of who approves it and the reason")

    def exception(self, lacking: list[str]) -> dict[str, str | list[str]]:
        """Return the record of an exception from what is lacking."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return {"approver": self.name, "reason": self.reason, "lacking": lacking, "signed_at": now}


def digest(pack: bytes) -> str:
    """Return what a version's tag says of its pack: SHA-256, in hexadecimal."""
    return hashlib.sha256(pack).hexdigest()


def lacking(pack: bytes | None, sha256: str | None, label: str, fingerprint: str, made_at: datetime) -> list[str]:
    """Return what keeps a version from being put in force; nothing for a green pack as new as itself.

    Parameters
    ----------
    pack : bytes, optional
        The content of its `PACK`, if it has one.
    sha256 : str, optional
        What was recorded of it when it was kept.
    label, fingerprint : str
        The version, such as ``recovery/3``, and its model.
    made_at : datetime
        When the version was registered (UTC).

    Examples
    --------
    >>> lacking(None, None, "recovery/3", "5f2a", datetime(2026, 1, 1, tzinfo=UTC))
    ['it has no model-risk pack: run `recoup validate recovery --version 3`']
    """
    name, _, version = label.partition("/")
    again = f"run `recoup validate {name} --version {version}`"
    if pack is None:
        return [f"it has no model-risk pack: {again}"]
    if digest(pack) != sha256:
        return [f"its model-risk pack was changed after it was made: {again}"]
    content = json.loads(pack)
    found = []
    if (content["version"], content["fingerprint"]) != (label, fingerprint):
        found.append(f"its model-risk pack is of {content['version']} ({content['fingerprint']}): {again}")
    if datetime.fromisoformat(content["written_at"]) < made_at.replace(microsecond=0):
        found.append(f"its model-risk pack is older than the version: {again}")
    if not content["complete"]:
        found.append(f"its model-risk pack is not complete: {again}")
    return found + [
        f"{check['title'].lower()} is {check['verdict']}"
        for check in content["checks"].values()
        if check["verdict"] not in (GREEN, "not applicable")
    ]
