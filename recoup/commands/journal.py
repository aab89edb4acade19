"""The decision journal: is it as it was written, and what is too old."""

from typing import Annotated

import typer

from features import home as homes
from features.errors import RecoupError
from recoup.door import app

journal = typer.Typer(no_args_is_help=True, help="The decision journal.")
app.add_typer(journal, name="journal")


@journal.command("verify")
def journal_verify(
    head: Annotated[str | None, typer.Option(help="as an earlier run printed it, kept out of this machine")] = None,
) -> None:
    """Find records that were changed, removed, inserted or moved."""
    from serving.journal.verification import verify

    found = verify(homes.current(), head)
    print(f"{found.records:,} records in {found.files} files, {found.open} of them still open")
    for name in found.torn:
        print(f"{name}: the last line is not whole: a crash tore it, its decision was not answered")
    for fault in found.faults:
        print(fault)
    print(f"head {found.head}")
    if found.faults:
        raise RecoupError(f"the journal is not as it was written: {len(found.faults)} faults")


@journal.command("expire")
def journal_expire(keep_days: Annotated[int, typer.Option(help="days before today that are kept")]) -> None:
    """Remove old decisions; what is kept stays verifiable."""
    from serving.journal.retention import expire

    for name in expire(homes.current(), keep_days):
        print(f"{name} is removed")
