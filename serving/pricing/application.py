"""The pricing service over HTTP."""

from serving.http.app import Service
from serving.http.models import MODELS
from serving.http.scored import scored
from serving.pricing.answers import Pricing
from serving.pricing.tape_operations import PRICE_TAPE, TAPES
from serving.review.operation import REVIEW
from serving.schemas import GivenRequest, PricedLoan, PriceRequest, PriceResponse

SERVICE = Service(
    title="recoup pricing",
    about="What loans are worth, with intervals and reasons",
    model="recovery",
    answers=Pricing,
    operations=(
        scored(
            "/price", "price", "Value loans by id",
            PriceRequest, PriceResponse, Pricing.price, "#/loan_ids/{row}",
        ),
        scored(
            "/price_given", "price", "Value a loan by features that the caller sends",
            GivenRequest, PricedLoan, Pricing.price_given, "#/reference",
        ),
        PRICE_TAPE,
        *TAPES.operations(),
        MODELS,
        REVIEW,
    ),
    beside=TAPES.runner,
)  # fmt: skip
