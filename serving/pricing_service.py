"""The pricing Bento. Only wires; see `serving.pricing.application`."""

from serving.http.asgi_service import AsgiService


class Pricing:
    """Expected recovery, its interval, price and reasons of loans; prices of tapes."""

    application = "serving.pricing.application"


PricingService = AsgiService(name="recoup_pricing", inner=Pricing, config={"workers": 1})
