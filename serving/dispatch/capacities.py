"""What a desk can do in a day: pools that make contacts, agencies that take debts, filings, a challenger."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.errors import RecoupError
from features.feeds.columns import INSTANT

DEFAULT = Path(__file__).with_name("capacities.yaml")
COURT = "court"
_Hour = Annotated[int, Field(ge=0, le=23)]
_Part = Annotated[float, Field(ge=0, le=1)]
_Number = Annotated[int, Field(ge=0, le=1_000_000)]
_Term = Annotated[int, Field(gt=0, le=3_650)]


class Pool(BaseModel):
    """Who makes contacts by a channel: ``units`` make ``each`` attempts in each of the ``hours`` (UTC)."""

    model_config = ConfigDict(extra="forbid")

    channel: Literal["call", "auto_call", "sms", "email", "letter", "visit"]
    unit: str
    units: _Number
    each: _Number
    hours: list[_Hour]
    most_a_day: _Number | None = None
    regions: list[str] | None = None

    @property
    def day(self) -> int:
        """Attempts in a day."""
        whole = self.units * self.each * len(set(self.hours))
        return whole if self.most_a_day is None else min(whole, self.most_a_day)


class Agency(BaseModel):
    """An agency's contract: its part of what it collects, for how long, how many debts a day."""

    model_config = ConfigDict(extra="forbid")

    commission: _Part
    term_days: _Term
    least: _Number = 0
    most: _Number
    share: tuple[_Part, _Part] = (0.0, 1.0)

    @model_validator(mode="after")
    def _ordered(self) -> "Agency":
        if self.least > self.most or self.share[0] > self.share[1]:
            raise ValueError("the least is above the most")
        return self


class Court(BaseModel):
    """How many cases may be filed in a day."""

    model_config = ConfigDict(extra="forbid")

    filings: _Number


class Challenger(BaseModel):
    """Another policy, and the share of debtors that follow it since a day (UTC)."""

    model_config = ConfigDict(extra="forbid")

    policy: Literal["random", "largest_first", "oldest_first", "best_propensity"]
    share: Annotated[float, Field(gt=0, lt=1)]
    since: date


class Capacities(BaseModel):
    """What the desk can do in a day."""

    model_config = ConfigDict(extra="forbid")

    pools: dict[str, Pool]
    agencies: dict[str, Agency] = {}
    explore: _Part = 0.05
    court: Court = Court(filings=0)
    challenger: Challenger | None = None

    @model_validator(mode="after")
    def _fair(self) -> "Capacities":
        if sum(agency.share[0] for agency in self.agencies.values()) > 1:
            raise ValueError("the agencies' least shares sum up to more than 1")
        if self.agencies and sum(agency.share[1] for agency in self.agencies.values()) < 1:
            raise ValueError("the agencies' most shares sum up to less than 1")
        return self

    @classmethod
    def load(cls, path: Path | None = None) -> "Capacities":
        """Read a capacities file, or the default.

        Raises
        ------
        RecoupError
            When it is not one; the message names the field.
        """
        path = path or DEFAULT
        try:
            return cls.model_validate(yaml.safe_load(path.read_text()))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise RecoupError(f"{path} cannot be read as capacities: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise RecoupError(f"{path}: {where}: {first['msg']}") from error

    def part(self, share: float) -> "Capacities":
        """Return a desk with a share of the pools' room, rounded down."""
        pools = {
            name: pool.model_copy(update={"units": 1, "each": int(pool.units * pool.each * share),
                                          "most_a_day": int(pool.day * share)})
            for name, pool in self.pools.items()
        }  # fmt: skip
        return self.model_copy(update={"pools": pools})

    def slots(self, moment: datetime) -> pl.DataFrame:
        """Return ``channel`` and ``slot`` (UTC) of the hours that pools work, of the 24 full ones from a moment on."""
        return self.places(moment).select("channel", "slot").unique(maintain_order=True)

    def places(self, moment: datetime) -> pl.DataFrame:
        """Return each pool's hours: ``pool``, ``channel``, ``slot`` (UTC), ``capacity`` (attempts), ``regions``."""
        start = moment.replace(minute=0, second=0, microsecond=0)
        start += timedelta(hours=start < moment)
        rows = [
            (name, pool.channel, slot, pool.units * pool.each, pool.regions)
            for name, pool in self.pools.items()
            for slot in (start + timedelta(hours=hour) for hour in range(24))
            if slot.hour in pool.hours
        ]
        schema = {"pool": pl.String(), "channel": pl.String(), "slot": INSTANT, "capacity": pl.Int64(),
                  "regions": pl.List(pl.String)}  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")
