"""How much a service takes: sizes, rates, lengths of queues and times, from the environment."""

from dataclasses import dataclass

from serving.settings import number, whole


@dataclass(frozen=True)
class Limits:
    """Limits of one service.

    Attributes
    ----------
    body_bytes : int
        Largest JSON body; ``RECOUP_MAX_BODY_BYTES``.
    tape_bytes : int
        Largest tape; ``RECOUP_MAX_TAPE_BYTES``.
    waiting_tasks : int
        Most tasks that wait or are being done; ``RECOUP_MAX_WAITING_TASKS``.
    waiting : int
        Most questions that wait or are being answered, in one worker; ``RECOUP_MAX_WAITING``.
    answer_seconds : float
        How long an answer may take, its wait included; ``RECOUP_ANSWER_SECONDS``.
    body_seconds : float
        How long a part of a body may be awaited; ``RECOUP_BODY_SECONDS``.
    key_rate : float
        Requests a second of a key that has no rate of its own, in one worker; 0 is no limit.
        ``RECOUP_KEY_RATE``.
    """

    body_bytes: int
    tape_bytes: int
    waiting_tasks: int
    waiting: int
    answer_seconds: float
    body_seconds: float
    key_rate: float


def from_environment() -> Limits:
    """Return the limits that the environment sets.

    Raises
    ------
    RecoupError
        When one makes no sense.
    """
    return Limits(
        body_bytes=whole("RECOUP_MAX_BODY_BYTES", 1 << 20),
        tape_bytes=whole("RECOUP_MAX_TAPE_BYTES", 512 << 20),
        waiting_tasks=whole("RECOUP_MAX_WAITING_TASKS", 8),
        waiting=whole("RECOUP_MAX_WAITING", 64),
        answer_seconds=number("RECOUP_ANSWER_SECONDS", 10.0),
        body_seconds=number("RECOUP_BODY_SECONDS", 10.0),
        key_rate=number("RECOUP_KEY_RATE", 0.0),
    )
