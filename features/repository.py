"""The Feast repository: a feature view for each mart, the on-demand features, one service per model version.

The order of a service's features is the order of its model's inputs.
"""

import inspect
from collections.abc import Mapping
from datetime import timedelta
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

from features import moment
from features.mart_tables import Place
from features.marts import MARTS
from features.marts.columns import Feature
from features.marts.timeline import KNOWN, LEARNT

if TYPE_CHECKING:
    from feast import Entity, FeatureView, Field
    from feast.data_source import DataSource
    from feast.on_demand_feature_view import OnDemandFeatureView
    from feast.types import FeastType

MAX_AGE = {
    "customer": timedelta(days=31),
    "asset": timedelta(days=7),
    "financial": timedelta(days=7),
    "public": timedelta(days=62),
    "region": timedelta(days=62),
    "product": timedelta(days=62),
    "contact": timedelta(days=7),
}
"""How old a view's last materialization may be before its values count as stale."""

_APPLICATION = [
    "annual_income", "income_verification", "employment_years", "home_ownership",
    "debt_to_income", "credit_score", "delinquencies_2y", "inquiries_6m",
    "months_since_delinquency", "months_since_public_record", "open_accounts", "total_accounts",
    "public_records", "bankruptcies", "revolving_balance", "revolving_utilisation",
    "revolving_to_income",
]  # fmt: skip
_ATTEMPT_V1 = [
    "channel", "point_kind", "local_hour", "local_weekday", "day_of_month", "month_of_year", "age_years",
    "months_since_default", "days_since_attempt", "days_since_right_party", "attempts_by_channel",
    "right_parties_by_channel",
]  # fmt: skip
_ATTEMPT_V2 = [*_ATTEMPT_V1, "attempts_at_point", "right_parties_at_point", "bounced_at_point", "delivered_at_point",
               "last_attempt_hour", "last_right_party_hour"]  # fmt: skip
_DEBTOR = ["occupation", "marital_status", "education", "has_mortgage", "has_other_loan",
           "in_default_elsewhere", "phones", "has_email"]  # fmt: skip
_HISTORY = ["attempts", "right_parties", "promises", "wrong_parties", "last_channel", "last_outcome",
            "prior_attempts", "prior_campaign_attempts", "prior_outcome", "days_since_prior"]  # fmt: skip
_MARKET = ["unemployment_rate", "employment_variation", "employed", "price_index",
           "confidence_index", "short_rate", "house_price_index", "court_months"]  # fmt: skip

SERVICES: dict[str, dict[str, list[str]]] = {
    "recovery_v1": {
        "customer": [
            *_APPLICATION, "occupation", "phones", "has_email", "do_not_contact", "disputed",
        ],
        "asset": [
            "debt_region", "product", "credit_grade", "credit_sub_grade", "purpose", "policy_exception",
            "original_amount", "balance", "principal_share", "interest_share", "fee_share",
            "unpaid_share", "balance_to_income", "instalment_to_income", "interest_rate",
            "term_months", "instalment", "days_past_due", "legal_status", "awarded_share",
        ],
        "financial": [
            "principal_paid_share", "interest_to_principal", "fees_paid", "instalments_paid", "instalment_remainder",
            "schedule_paid_share", "instalments_left", "instalments_behind", "schedule_gap", "paid_gap",
            "fees_in_instalments", "last_payment_ratio", "collected_share", "collections",
        ],
        "public": [
            "unemployment_rate", "confidence_index", "short_rate", "house_price_index", "court_months",
        ],
        "region": ["region_default_share", "region_collected_share"],
        "product": ["product_default_share", "product_collected_share"],
        "contact": ["attempts", "right_parties", "promises"],
        "at_valuation": [feature.name for feature in moment.VALUATION],
    },
    "contact_v1": {
        "customer": _DEBTOR,
        "public": _MARKET,
        "contact": _HISTORY,
        "at_attempt": _ATTEMPT_V1,
    },
    "contact_v2": {
        "customer": [*_DEBTOR, "home_region"],
        "financial": ["collections", "collected_share"],
        "public": _MARKET,
        "contact": _HISTORY,
        "at_attempt": _ATTEMPT_V2,
    },
    "contact_v3": {
        "customer": [*_DEBTOR, "home_region"],
        "financial": ["collections", "collected_share"],
        "public": _MARKET,
        "contact": _HISTORY,
        "at_attempt": [feature.name for feature in moment.ATTEMPT],
    },
    "attempt_value_v1": {
        "customer": ["annual_income", "credit_score"],
        "asset": ["balance", "interest_rate"],
        "financial": ["collected_share", "collections"],
        "contact": ["attempts", "right_parties", "promises"],
        "at_attempt": ["channel", "local_hour", "months_since_default", "days_since_attempt",
                       "days_since_right_party", "attempts_by_channel", "right_parties_by_channel",
                       "attempts_at_point", "right_parties_at_point", "bounced_at_point", "delivered_at_point"],
    },
}  # fmt: skip


def at_valuation(columns: dict[str, Any]) -> dict[str, Any]:
    """Carry `moment.at_valuation` into Feast, which stores this function as source text."""
    from features import moment

    return {name: list(values) for name, values in moment.at_valuation(columns).items()}


def at_attempt(columns: dict[str, Any]) -> dict[str, Any]:
    """Carry `moment.at_attempt` into Feast, likewise."""
    from features import moment

    return {name: list(values) for name, values in moment.at_attempt(columns).items()}


ON_DEMAND = {
    "at_valuation": (at_valuation, moment.VALUATION, moment.VALUATION_INPUTS, moment.VALUATION_REQUEST),
    "at_attempt": (at_attempt, moment.ATTEMPT, moment.ATTEMPT_INPUTS, moment.ATTEMPT_REQUEST),
}  # fmt: skip


def feature(view: str, name: str) -> Feature:
    """Return the declaration of a feature by its view and name."""
    declared = MARTS[view].FEATURES if view in MARTS else ON_DEMAND[view][1]
    return next(found for found in declared if found.name == name)


def definitions(places: Mapping[str, Place]) -> list[Any]:
    """Return every Feast object of the repository.

    Parameters
    ----------
    places : dict of str to Place
        Where each mart's table is.
    """
    from feast import Entity, FeatureService, ValueType

    entities = {
        key: Entity(name=key, join_keys=[key], value_type=ValueType.STRING)
        for key in dict.fromkeys(mart.ENTITY for mart in MARTS.values())
    }
    views = {name: _view(name, entities[mart.ENTITY], places[name]) for name, mart in MARTS.items()}
    on_demand = {name: _on_demand(name, views) for name in ON_DEMAND}
    services = [
        FeatureService(
            name=name,
            features=[({**views, **on_demand}[view])[columns] for view, columns in parts.items()],
        )
        for name, parts in SERVICES.items()
    ]
    return [*entities.values(), *views.values(), *on_demand.values(), *services]


def _view(name: str, entity: "Entity", place: Place) -> "FeatureView":
    from feast import FeatureView

    return FeatureView(
        name=name,
        entities=[entity],
        schema=[_field(feature) for feature in MARTS[name].FEATURES],
        source=_source(name, place),
        ttl=timedelta(0),
        description=(MARTS[name].__doc__ or "").split("\n")[0],
    )


def _source(name: str, place: Place) -> "DataSource":
    stamps: Any = {"timestamp_field": KNOWN, "created_timestamp_column": LEARNT}
    if isinstance(place, str):
        # loads the PostgreSQL client
        from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource

        return PostgreSQLSource(name=name, table=place, **stamps)
    from feast import FileSource

    return FileSource(name=name, path=str(place), **stamps)


def _field(feature: Feature) -> "Field":
    from feast import Field

    tags = {"unit": feature.unit} if feature.unit else {}
    return Field(name=feature.name, dtype=_type(feature.kind), description=feature.about, tags=tags)


def _type(kind: str) -> "FeastType":
    from feast.types import Float64, String

    return String if kind == "category" else Float64


def _on_demand(name: str, views: dict[str, "FeatureView"]) -> "OnDemandFeatureView":
    from feast import Field, RequestSource
    from feast.on_demand_feature_view import OnDemandFeatureView

    function, outputs, inputs, request = ON_DEMAND[name]
    asked = RequestSource(
        name=f"{name}_request",
        schema=[Field(name=column, dtype=_type(kind)) for column, kind in request.items()],
    )
    return OnDemandFeatureView(
        name=name,
        sources=[*[views[view][columns] for view, columns in inputs.items()], asked],
        # bare fields: Feast compares them with those it infers, which have no description
        schema=[Field(name=output.name, dtype=_type(output.kind)) for output in outputs],
        mode="python",
        udf=cast(FunctionType, function),
        udf_string=inspect.getsource(function),
    )
