"""Which model versions a worker serves and follows, for those who run it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from serving.http import operation
from serving.http.operation import Operation

_SHOWN: dict[str, Any] = {
    "in_force": {"champion": "recovery/3", "challenger": "recovery/4"}, "former": "recovery/2", "follows": "champion",
    "registry_seen_at": "2026-01-01T00:00:00Z", "registry_unseen": "",
    "refused": [{"model_version": "recovery/5", "why": "its inputs are not those of recovery_v1"}],
}  # fmt: skip


class RefusedVersion(BaseModel):
    """A registered version that was not let in."""

    model_version: str
    why: str


class Models(BaseModel):
    """The versions in force, and what they come from."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SHOWN]})

    in_force: dict[str, str] = Field(description="champion, challenger (answers its share), shadow (only journalled)")
    former: str | None = Field(description="the champion before, kept loaded")
    follows: str | None = Field(description="the registry's alias; null: the Bento's own model is served")
    registry_seen_at: datetime | None = Field(description="when the registry last answered, UTC")
    registry_unseen: str = Field(description="why it does not now; empty when it does")
    refused: list[RefusedVersion]


async def _handler(request: Request) -> Response:
    following = request.app.state.loading.following
    state = following.state
    return operation.answered(
        Models(
            in_force={role: following.label(named) for role, named in state.in_force.items()},
            former=following.label(state.former) if state.former else None,
            follows=following.rule.alias or None,
            registry_seen_at=state.seen_at,
            registry_unseen=state.unseen,
            refused=[
                RefusedVersion(model_version=following.label(named), why=refused.why)
                for named, refused in state.refused.items()
            ],
        )
    )


MODELS = Operation(
    name="models", method="GET", path="/models", scope="admin", about="The versions that a worker serves and follows",
    handler=_handler, answered=Models,
)  # fmt: skip
