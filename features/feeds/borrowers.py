"""``borrowers``: identity and third-party data, one row a debtor each time it changed."""

from features.feeds import columns as c

JURISDICTIONS = ("US", "CN", "EU")

SCHEMA = c.Schema(
    lambda pandera: pandera.DataFrameSchema(
        {
            "borrower_id": c.identifier("the debtor", required=True),
            "name": c.identifier("full name"),
            "phone": c.identifier("first telephone number", eba="1.19"),
            "phone_alt": c.identifier("second telephone number", eba="1.19"),
            "email": c.identifier("e-mail address", eba="1.18"),
            "address": c.identifier("postal address"),
            "region": c.text("state or province", required=True),
            "jurisdiction": c.one_of(JURISDICTIONS, "whose contact law applies"),
            "time_zone": c.text("IANA name of the zone at the debtor's place"),
            "birth_year": c.number("year of birth", low=1900, high=2030, unit="year", eba="1.07"),
            "sex": c.one_of(("female", "male"), "for fairness tests only, never a feature"),
            "occupation": c.text("kind of work"),
            "marital_status": c.text("family status"),
            "education": c.text("highest schooling"),
            "has_mortgage": c.flag("has a housing loan elsewhere"),
            "has_other_loan": c.flag("has a personal loan elsewhere"),
            "in_default_elsewhere": c.flag("known to be in default elsewhere"),
            "consent_call": c.flag("may be called by a person"),
            "consent_auto_call": c.flag("may be called by a machine"),
            "consent_sms": c.flag("may be sent SMS"),
            "consent_email": c.flag("may be sent e-mail"),
            "consent_visit": c.flag("may be visited"),
            "do_not_contact": c.flag("has asked not to be contacted"),
            "disputed": c.flag("disputes the debt"),
            "changed_at": c.instant("when it became so", required=True),
            "known_at": c.instant("when the row was learnt", required=True),
        },
    )
)
KEY = ("borrower_id", "changed_at")
HAPPENED = "changed_at"
