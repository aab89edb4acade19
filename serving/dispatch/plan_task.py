"""One plan made in the background: ``python -m serving.dispatch.plan_task TASK_FOLDER``.

The model is the one that the service answers by.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from features import home as homes
from features.progress import Progress
from serving import schemas
from serving.dispatch.capacities import Capacities
from serving.tasks import worker
from serving.tasks.tasks import OUT, Asked

STEPS = 3
Day = Annotated[date, Field(ge=date(1970, 1, 1), lt=date(2200, 1, 1))]


class PlacedRequest(schemas.Asked):
    """A debt that is with an agency."""

    loan_id: str
    agency: str
    placed_on: Day


class PlanRequest(schemas.Asked):
    """The day to plan, and what the desk can do."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "date": "2026-01-01",
        "capacities": {
            "pools": {"agents": {"channel": "call", "unit": "agents", "units": 8, "each": 12, "hours": [15, 16, 17]}},
            "agencies": {"north": {"commission": 0.2, "term_days": 180, "most": 200}}, "court": {"filings": 10},
        },
        "placed": [{"loan_id": "L0000001", "agency": "north", "placed_on": "2025-11-03"}],
    }]})  # fmt: skip

    date: Day = Field(description="in UTC")
    capacities: Capacities | None = Field(None, description="as in capacities.yaml, which counts if not given")
    placed: list[PlacedRequest] = Field([], description="debts that are with agencies: no cases until recalled")

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len({debt.loan_id for debt in self.placed}) < len(self.placed):
            raise ValueError("a debt is with an agency twice")
        return self


class AskedPlan(Asked):
    """A plan to make."""

    plan: PlanRequest


def _make(folder: Path, tell: Progress) -> str:
    """Make a task's plan by the model in force, journal it, and give the decision id."""
    import polars as pl

    from features.store import FeatureDoor
    from serving.dispatch import placements
    from serving.dispatch.making import Wanted
    from serving.dispatch.plan import kept

    home, asked = homes.current(), AskedPlan.model_validate_json((folder / "asked.json").read_bytes()).plan
    placed = pl.DataFrame([debt.model_dump() for debt in asked.placed], schema=placements.NOBODY.schema)
    door = FeatureDoor(home)
    door.refresh()
    wanted = Wanted(asked.date, asked.capacities or Capacities.load(), placed)
    return str(kept(door, wanted, worker.champion(home, "contact"), folder / OUT, tell).report["decision_id"])


if __name__ == "__main__":
    worker.main(_make, STEPS)
