"""Questions that make no sense as asked; a service answers them as the caller's errors."""

from datetime import datetime

from features.errors import RecoupError


class UnknownLoan(RecoupError):
    """The online store has never seen a loan; ``row`` is its place among those asked."""

    hint = "is the id right, and was the store materialized after the loan came in?"

    def __init__(self, loan_id: str, row: int):
        super().__init__(f"loan {loan_id!r} is not in the online store: {self.hint}")
        self.row = row


class Unfit(RecoupError):
    """Features that do not fit the model; ``wrong`` says by name what is wrong with each."""

    def __init__(self, wrong: dict[str, str]):
        super().__init__(f"features do not fit the model: {', '.join(sorted(wrong))}")
        self.wrong = wrong


class TooEarly(RecoupError):
    """A moment before the online store's values stood; it keeps none that are older."""

    def __init__(self, since: str):
        super().__init__(f"the online store's values stand since {since} only: ask about a later moment")


class NoCase(RecoupError):
    """A debt that nobody may be asked about: not known or charged off yet, or done with."""


class UnknownDebtor(RecoupError):
    """Nobody was known by that name."""

    def __init__(self, moment: datetime):
        super().__init__(f"no such debtor was known by {moment:%Y-%m-%d %H:%M} UTC: is the id right, and the moment?")
