"""Keys that the services answer to."""

from typing import Annotated

import typer

from features import home as homes
from recoup.door import Day, app, day_end, say

key = typer.Typer(no_args_is_help=True, help="Keys that the services answer to.")
app.add_typer(key, name="key")


@key.command("create")
def key_create(
    scope: Annotated[list[str], typer.Option(help="what it opens: price, dispatch, explain, admin; repeat for more")],
    expires: Day = None,
    rate: Annotated[float | None, typer.Option(help="requests a second in each worker; 0 is no limit")] = None,
) -> None:
    """Make a key, good to the end of a day; it is shown once and kept nowhere."""
    from serving.access.keys import KeyRing

    made, shown = KeyRing(homes.current()).make(scope, day_end(expires), rate)
    say(
        f"key {made.id} opens {', '.join(made.scopes)}, {f'until the end of {expires}' if expires else 'until revoked'}"
    )
    print(shown)


@key.command("list")
def key_list() -> None:
    """List the keys that were made, without their secrets."""
    from serving.access.keys import KeyRing

    for made in KeyRing(homes.current()).made():
        until = f"until {made.expires_at[:10]}" if made.expires_at else "until revoked"
        rate = "" if made.rate is None else f", {made.rate:g} requests a second"
        print(f"{made.id}  {','.join(made.scopes)}  made {made.made_at[:10]}, good {until}{rate}")


@key.command("revoke")
def key_revoke(key_id: str) -> None:
    """End a key; the services refuse it from the next request on."""
    from serving.access.keys import KeyRing

    KeyRing(homes.current()).revoke(key_id)
    print(f"key {key_id} is revoked")
