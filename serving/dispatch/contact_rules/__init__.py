"""When, how and how often a debtor may be contacted: rules as data.

Each YAML file beside this one holds the rules of a jurisdiction, or of all (``*``): clause, source,
first day in force, kind and parameters. ``calendar`` applies them. This is software, not legal advice.

Kinds
-----
``known``: ``column`` is on file. ``covered``: one of the kinds ``by`` is in force for the channel.
``hours``: every minute of the slot lies in [``from``, ``to``) on the debtor's clock. ``flag``:
``column`` is not true. ``consent``: consent to the channel is not refused. ``cap``: the slot makes
at most ``most`` attempts within ``days`` local dates per ``debt`` or ``contact_point``. ``pause``:
``days`` local dates after a conversation, its own the first. ``third_party``: the debtor, if
anybody, answered last at the contact point.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from features.feeds.contacts import CHANNELS

_ORDER = ("unknown", "us", "cn", "house")
"""Files by rank: a refusal names the first clause that it meets, the law before the house."""


class Rule(BaseModel):
    """One rule.

    Attributes
    ----------
    jurisdiction : str
        As in the ``borrowers`` feed, or ``*``.
    clause, about, source : str
        Where the rule stands, what it says, where we have it from.
    effective, until : date
        First local date in force; first one no longer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    jurisdiction: str
    clause: str
    about: str
    source: str
    effective: date
    until: date = date.max
    kind: Literal["known", "covered", "hours", "flag", "consent", "cap", "pause", "third_party"]
    channels: tuple[str, ...] = CHANNELS
    column: str | None = None
    by: tuple[str, ...] = ()
    opens: time = Field(time.min, alias="from")
    closes: time = Field(time.max, alias="to")
    per: Literal["debt", "contact_point"] = "debt"
    unanswered: bool = False
    days: int = 0
    most: int = 0

    def binds(self, jurisdiction: str | None, channel: str, day: date) -> bool:
        """Tell whether the rule is in force for a channel on a local date."""
        here = self.jurisdiction in ("*", jurisdiction)
        return here and channel in self.channels and self.effective <= day < self.until


@dataclass(frozen=True)
class RuleSet:
    """Rules in order of rank, and the zones where a debtor of each jurisdiction may be."""

    rules: tuple[Rule, ...]
    possible_zones: dict[str, tuple[str, ...]]

    @property
    def label(self) -> str:
        """How plans name the rule set: a fingerprint of every rule."""
        content = repr((self.rules, sorted(self.possible_zones.items())))
        return f"rules/{hashlib.sha256(content.encode()).hexdigest()[:12]}"


@cache
def load() -> RuleSet:
    """Read the rules."""
    rules, zones = [], {}
    for name in _ORDER:
        content = yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text())
        zones[content["jurisdiction"]] = tuple(content.get("possible_zones", ()))
        common = {key: content[key] for key in ("jurisdiction", "effective", "source")}
        rules += [Rule.model_validate(common | rule) for rule in content["rules"]]
    return RuleSet(tuple(rules), zones)
