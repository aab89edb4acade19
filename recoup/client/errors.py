"""What a call raises."""

from recoup.client.answers import Fault, ProblemDetails


class ServiceError(Exception):
    """A call that has no answer."""


class Unreachable(ServiceError):
    """The service gave no answer, for as long as there was patience."""


class Refused(ServiceError):
    """The service answered that it does not answer.

    Attributes
    ----------
    status : int
        Of HTTP.
    detail : str
        Why.
    faults : list of Fault
        The fields that are wrong.
    """

    def __init__(self, asked: str, problem: ProblemDetails):
        faults = "".join(f"; {fault.pointer}: {fault.detail}" for fault in problem.errors)
        super().__init__(f"{asked}: {problem.status} {problem.title}: {problem.detail}{faults}")
        self.status = problem.status
        self.detail = problem.detail
        self.faults: list[Fault] = problem.errors
