"""Only a complete, green pack of its own, or a signed exception, puts a version in force."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from features.errors import RecoupError
from training import approval, registry
from training.approval import Approver, NotApproved

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def content(version="contact/1", fingerprint="f", written=NOW, verdict="green", complete=True):
    checks = {"calibration": {"title": "Calibration", "verdict": verdict, "says": "Totals are met."}, "concept": {
        "title": "Concept", "verdict": "not applicable", "says": "No truth is known."}}  # fmt: skip
    told = {"version": version, "fingerprint": fingerprint, "written_at": written.isoformat(), "complete": complete,
            "verdict": verdict}  # fmt: skip
    return json.dumps(told | {"checks": checks}).encode()


def lacking(pack, sha256=None):
    return approval.lacking(pack, sha256 or approval.digest(pack), "contact/1", "f", NOW)


def test_a_green_pack_of_the_version_itself_lacks_nothing():
    assert lacking(content()) == []


@pytest.mark.parametrize(
    ("pack", "said"),
    [
        (content(version="contact/2"), "is of contact/2"),
        (content(fingerprint="g"), "(g)"),
        (content(written=NOW - timedelta(seconds=1)), "older than the version"),
        (content(complete=False), "not complete"),
        (content(verdict="amber"), "calibration is amber"),
        (content(verdict="red"), "calibration is red"),
    ],
)
def test_what_a_pack_lacks_is_said(pack, said):
    (found,) = lacking(pack)
    assert said in found


def test_a_pack_that_was_changed_counts_for_nothing():
    (found,) = lacking(content(), approval.digest(content(verdict="red")))
    assert "was changed" in found


@pytest.mark.parametrize(("name", "reason"), [("", "why"), ("  ", "why"), ("A. Reviewer", "")])
def test_an_exception_without_a_name_or_a_reason_is_none(name, reason):
    with pytest.raises(RecoupError, match="name of who approves"):
        Approver(name, reason)


def test_the_gate_stands_in_the_path_of_the_alias(worked, tmp_path):
    """On the version that is in force already, so that the home stays as it is for other tests."""
    version = registry.load(worked, "recovery")
    (first,) = registry.exceptions(worked, version)
    assert "first version" in first["reason"] and first["approver"] and "no model-risk pack" in first["lacking"][0]
    with pytest.raises(NotApproved, match=r"no model-risk pack.*recoup validate recovery --version 1.*--approver"):
        registry.promote(worked, "recovery", "1")
    (tmp_path / approval.PACK).write_bytes(
        content("recovery/1", version.package.fingerprint, datetime.now(UTC), verdict="red")
    )
    registry.keep_pack(worked, version, tmp_path)
    with pytest.raises(NotApproved, match="calibration is red"):
        registry.promote(worked, "recovery", "1")
    registry.promote(worked, "recovery", "1", approver=Approver("A. Reviewer", "the test's years were bad ones"))
    _, signed = registry.exceptions(worked, version)
    assert signed["approver"] == "A. Reviewer" and signed["lacking"] == ["calibration is red"]
    (tmp_path / approval.PACK).write_bytes(content("recovery/1", version.package.fingerprint, datetime.now(UTC)))
    registry.keep_pack(worked, version, tmp_path)
    assert registry.promote(worked, "recovery", "1").label == "recovery/1"
    assert len(registry.exceptions(worked, version)) == 2
