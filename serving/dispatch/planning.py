"""Whom to try, how and when: an assignment of people to slots under capacities.

The optimum is a minimum-cost flow (OR-Tools' cost-scaling solver, exact on whole numbers): each
person sends at most one unit through one slot (channel and hour) and its channel, and may stay at
home at no cost.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from features.errors import RecoupError
from features.feeds.columns import INSTANT

DEFAULT = Path(__file__).with_name("capacities.yaml")
_Hour = Annotated[int, Field(ge=0, le=23)]
_UNITS_OF_MONEY = 10_000
"""Steps per unit of currency in which the solver counts."""


class Channel(BaseModel):
    """What a channel can do: ``units`` make ``each`` attempts in each of the ``hours`` (UTC)."""

    model_config = ConfigDict(extra="forbid")

    unit: str
    units: NonNegativeInt
    each: NonNegativeInt
    hours: list[_Hour]
    most_a_day: NonNegativeInt | None = None

    @property
    def day(self) -> int:
        """Attempts in a day."""
        whole = self.units * self.each * len(set(self.hours))
        return whole if self.most_a_day is None else min(whole, self.most_a_day)


class Capacities(BaseModel):
    """What the desk can do in a day."""

    model_config = ConfigDict(extra="forbid")

    channels: dict[Literal["call", "auto_call", "sms", "email", "letter", "visit"], Channel]

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

    def slots(self, moment: datetime) -> pl.DataFrame:
        """Return ``channel``, ``slot`` (UTC) and ``capacity`` of the 24 full hours from a moment on."""
        start = moment.replace(minute=0, second=0, microsecond=0)
        start += timedelta(hours=start < moment)
        rows = [
            (name, slot, channel.units * channel.each)
            for name, channel in self.channels.items()
            for slot in (start + timedelta(hours=hour) for hour in range(24))
            if slot.hour in channel.hours
        ]
        schema = {"channel": pl.String(), "slot": INSTANT, "capacity": pl.Int64()}
        return pl.DataFrame(rows, schema=schema, orient="row")


def optimum(offers: pl.DataFrame, slots: pl.DataFrame, capacities: Capacities) -> pl.DataFrame:
    """Return the offers whose net values sum up to most, one a person.

    Parameters
    ----------
    offers : polars.DataFrame
        ``borrower_id``, ``loan_id``, ``channel``, ``slot``, ``net_value`` (currency), and more.
    slots : polars.DataFrame
        See `Capacities.slots`.
    capacities : Capacities
    """
    gains = offers.filter(pl.col("net_value") > 0).sort("net_value", "loan_id", descending=[True, False])
    gains = gains.unique(["borrower_id", "channel", "slot"], keep="first", maintain_order=True)
    people = gains.select("borrower_id").unique().sort("borrower_id").with_row_index("person")
    numbered = slots.with_row_index("place")
    arcs = gains.join(people, on="borrower_id", maintain_order="left").join(
        numbered, on=["channel", "slot"], maintain_order="left"
    )
    return gains.filter(_flow(arcs, people.height, numbered, capacities))


def largest_first(offers: pl.DataFrame, slots: pl.DataFrame, capacities: Capacities) -> pl.DataFrame:
    """Return what a plain desk does: the largest debt first, in the first free lawful slot.

    Channels are taken in the order of the capacities file, hours from the earliest.
    """
    free = {(channel, slot): capacity for channel, slot, capacity in slots.iter_rows()}
    left = {name: channel.day for name, channel in capacities.channels.items()}
    rank = pl.col("channel").replace_strict({name: place for place, name in enumerate(left)})
    queue = offers.sort(pl.col("owed"), "loan_id", rank, "slot", descending=[True, False, False, False])
    chosen, seen = np.zeros(queue.height, bool), set()
    for row, (person, channel, slot) in enumerate(queue.select("borrower_id", "channel", "slot").iter_rows()):
        if person not in seen and free[channel, slot] and left[channel]:
            free[channel, slot] -= 1
            left[channel] -= 1
            seen.add(person)
            chosen[row] = True
    return queue.filter(chosen)


def _flow(arcs: pl.DataFrame, people: int, slots: pl.DataFrame, capacities: Capacities) -> np.ndarray:
    """Solve the flow; nodes are people, slots, channels and the end of the day."""
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

    names = list(capacities.channels)
    first_slot, first_channel = people, people + slots.height
    end = first_channel + len(names)
    channel = slots["channel"].replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    day = np.array([capacities.channels[name].day for name in names])
    gain = np.rint(arcs["net_value"].to_numpy() * _UNITS_OF_MONEY).astype(np.int64)
    person = np.arange(people)
    solver = SimpleMinCostFlow()
    tried = solver.add_arcs_with_capacity_and_unit_cost(
        arcs["person"].to_numpy(), first_slot + arcs["place"].to_numpy(), np.ones_like(gain), -gain
    )
    for tail, head, capacity in (
        (person, np.full(people, end), np.ones(people, np.int64)),
        (first_slot + np.arange(slots.height), first_channel + channel, slots["capacity"].to_numpy()),
        (first_channel + np.arange(len(names)), np.full(len(names), end), day),
    ):
        solver.add_arcs_with_capacity_and_unit_cost(tail, head, capacity, np.zeros_like(capacity))
    solver.set_nodes_supplies(person, np.ones(people, np.int64))
    solver.set_node_supply(end, -people)
    status = solver.solve()
    if status != solver.OPTIMAL:
        raise RuntimeError(f"the flow has no optimum: {status.name}")
    return solver.flows(tried).astype(bool)
