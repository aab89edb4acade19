"""The dispatch Bento: chances of contact, and the next one. Only wires; see `serving.dispatch.answers`."""

from typing import Any, cast

import bentoml

from serving import bento
from serving.auth import BearerKey
from serving.dispatch.answers import Contacting
from serving.schemas import ContactChance, ContactRequest, NextContactRequest, NextContactResponse


@bentoml.service(name="recoup_dispatch", traffic={"timeout": 30})
class DispatchService:
    """Whom an attempt would reach, with reasons."""

    def __init__(self) -> None:
        self._contacting = Contacting(*bento.contents())

    @bentoml.api(route="/chance")
    def chance(self, request: ContactRequest, /) -> ContactChance:
        """Return the chance that one attempt reaches the debtor in person."""
        with bento.answering():
            return self._contacting.chance(request)

    @bentoml.api(route="/next_contact")
    def next_contact(self, request: NextContactRequest, /) -> NextContactResponse:
        """Return the best lawful attempts on a debt, and what the law refuses."""
        with bento.answering():
            return self._contacting.next_contact(request)


cast(bentoml.Service[Any], DispatchService).add_asgi_middleware(BearerKey)
