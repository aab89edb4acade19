"""The pricing Bento: values of loans. Only wires; see `serving.pricing.answers`."""

from typing import Any, cast

import bentoml

from serving import bento
from serving.auth import BearerKey
from serving.pricing.answers import Pricing
from serving.schemas import PriceRequest, PriceResponse


@bentoml.service(name="recoup_pricing", traffic={"timeout": 30})
class PricingService:
    """Expected recovery, its interval, price and reasons of loans in the online store."""

    def __init__(self) -> None:
        self._pricing = Pricing(*bento.contents())

    @bentoml.api(route="/price")
    def price(self, request: PriceRequest, /) -> PriceResponse:
        """Value loans by id."""
        with bento.answering():
            return self._pricing.price(request)


cast(bentoml.Service[Any], PricingService).add_asgi_middleware(BearerKey)
