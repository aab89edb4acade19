"""The dispatch service over HTTP."""

from serving.dispatch.answers import Contacting
from serving.dispatch.outcome_operation import OUTCOME
from serving.dispatch.plan_operations import PLAN, PLANS
from serving.http.app import Service
from serving.http.models import MODELS
from serving.http.scored import scored
from serving.profile.operation import PROFILES
from serving.review.operation import REVIEW
from serving.schemas import ContactChance, ContactRequest, NextContactRequest, NextContactResponse

SERVICE = Service(
    title="recoup dispatch",
    about="Whom an attempt would reach, and which lawful attempt is worth most",
    model="contact",
    answers=Contacting,
    operations=(
        scored(
            "/chance", "dispatch", "The chance that one attempt reaches the debtor in person",
            ContactRequest, ContactChance, Contacting.chance, "#/loan_id",
        ),
        scored(
            "/next_contact", "dispatch", "The best lawful attempts on a debt in 24 hours, and what the law refuses",
            NextContactRequest, NextContactResponse, Contacting.next_contact, "#/loan_id",
            {409: "the loan is not charged off yet, or no case any more"},
        ),
        OUTCOME,
        PLAN,
        *PLANS.operations(),
        *PROFILES,
        MODELS,
        REVIEW,
    ),
    beside=PLANS.runner,
)  # fmt: skip
