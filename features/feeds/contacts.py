"""``contacts``: every attempt to reach a debtor, and what came of it.

The ``prior_*`` columns are for sources that log one row a debtor and sum up what went before it;
a source that logs every attempt leaves them empty.
"""

from features.feeds import columns as c

CHANNELS = ("call", "auto_call", "sms", "email", "letter", "visit")
POINT_KINDS = ("mobile", "landline", "email", "address", "unknown")
OUTCOMES = ("no_answer", "wrong_party", "right_party", "promise", "refused", "delivered", "bounced")

SCHEMA = c.Schema(
    lambda pandera: pandera.DataFrameSchema(
        {
            "attempt_id": c.text("number of the attempt", required=True),
            "borrower_id": c.identifier("the debtor", required=True),
            "loan_id": c.text("the debt it was about"),
            "attempted_at": c.instant("when it was made", required=True, eba="1.20"),
            "channel": c.one_of(CHANNELS, "how", required=True),
            "contact_point": c.identifier("number or address tried", eba="1.18-1.19"),
            "point_kind": c.one_of(POINT_KINDS, "kind of contact point"),
            "outcome": c.one_of(OUTCOMES, "what came of it"),
            "right_party": c.flag("the debtor in person was reached", required=True),
            "promised_amount": c.money("promised to pay"),
            "agent": c.text("who made it"),
            "agency": c.text("for which agency"),
            "cost": c.money("cost of the attempt"),
            "propensity": c.number("chance with which the policy chose it", low=0, high=1),
            "prior_attempts": c.number("attempts before this one in the same campaign", low=0),
            "prior_campaign_attempts": c.number("attempts in earlier campaigns", low=0),
            "prior_outcome": c.text("outcome of the earlier campaign"),
            "days_since_prior": c.number("days since the last contact before this one", low=0, unit="days"),
            "known_at": c.instant("when the row was learnt", required=True),
        },
    )
)
KEY = ("attempt_id",)
HAPPENED = "attempted_at"
