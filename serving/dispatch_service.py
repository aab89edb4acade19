"""The dispatch Bento: chances of contact. Only wires; see `serving.answers`."""

import bentoml

from serving import bento
from serving.answers import Contacting
from serving.auth import BearerKey
from serving.schemas import ContactChance, ContactRequest


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


DispatchService.add_asgi_middleware(BearerKey)
