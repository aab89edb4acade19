"""The pricing Bento. Only wires; see `serving.pricing.application`."""

from serving.http.asgi_service import AsgiService
from serving.settings import whole


class Pricing:
    """Expected recovery, its interval, price and reasons of loans; prices of tapes."""

    application = "serving.pricing.application"


PricingService = AsgiService(name="recoup_pricing", inner=Pricing, config={"workers": whole("RECOUP_WORKERS", 1)})
