"""The catalogue of what a person is told: topics, actions and frames, read from ``phrases.yaml``."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, Field

LANGUAGES = ("en", "zh")
_FILE = Path(__file__).with_name("phrases.yaml")


class Said(BaseModel, extra="forbid"):
    """A text in every language."""

    en: str
    zh: str

    def of(self, language: str) -> str:
        """Return the text in a language of `LANGUAGES`."""
        return {"en": self.en, "zh": self.zh}[language]


class Topic(Said):
    """Inputs that a person thinks of as one thing."""

    inputs: list[str]


class Action(Said):
    """Something that the person can do; see ``phrases.yaml``."""

    pay: float | None = None
    add: dict[str, float] = Field(default_factory=dict)
    set: dict[str, float] = Field(default_factory=dict)


class Frame(BaseModel, extra="forbid"):
    """The sentences that every letter has."""

    subject: str
    opening: str
    raised: str
    lowered: str
    rest: str
    way_up: str
    way_down: str
    changes: str
    no_change: str
    rights: str


class Phrases(BaseModel, extra="forbid"):
    """The whole catalogue."""

    topics: dict[str, Topic]
    untold: dict[str, str]
    actions: dict[str, Action]
    letter: dict[str, Frame]


@cache
def phrases() -> Phrases:
    """Read the catalogue."""
    return Phrases.model_validate(yaml.safe_load(_FILE.read_text(encoding="utf-8")))
