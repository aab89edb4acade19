"""``market``: indices of a region, one row each time they are published."""

from features.feeds import columns as c

SCHEMA = c.Schema(
    lambda pandera: pandera.DataFrameSchema(
        {
            "region": c.text("state, province or country", required=True),
            "published_on": c.date("the day the figures describe", required=True),
            "unemployment_rate": c.number("share of the labour force", low=0, high=1),
            "employment_variation": c.number("quarterly change of employment", unit="percent"),
            "employed": c.number("people at work", low=0, unit="thousands"),
            "price_index": c.number("consumer prices", low=0),
            "confidence_index": c.number("consumer confidence"),
            "short_rate": c.number("three-month interbank rate", unit="percent per year"),
            "house_price_index": c.number("house prices", low=0),
            "court_months": c.number("months from filing to judgment, on average", low=0, unit="months"),
            "known_at": c.instant("when the row was learnt", required=True),
        },
    )
)
KEY = ("region", "published_on")
HAPPENED = "published_on"
