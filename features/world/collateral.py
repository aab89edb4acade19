"""Corporate loans on the tape that collateral secures, and what becomes of it.

Of what the collateral has not paid, the debtor pays the share that a debtor of his kind pays of an
unsecured debt: ``recovered = 1 - (1 - from collateral) (1 - from the debtor)``, of the claim.
"""

import numpy as np
import polars as pl

from features.world import auctions
from features.world import parameters as p
from features.world.auctions import ORIGINS, Courses

_AMOUNTS = ("original_amount", "balance", "principal_balance", "interest_balance", "fee_balance",
            "last_payment_amount", "instalment", "principal_paid", "interest_paid", "fees_paid")  # fmt: skip
_CELL_DRAWS = 4_000


def secure(loans: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Turn personal loans into corporate ones and put collateral behind them; both are ``loans`` feeds."""
    count = loans.height
    scaled = loans.with_columns((pl.col(_AMOUNTS) * p.CORPORATE_SCALE).round(2))
    median, spread = p.COLLATERAL_COVER
    value = scaled["balance"].to_numpy() * median * np.exp(spread * rng.standard_normal(count))
    value = value.round(-2).clip(100)
    asset = rng.choice(len(p.ASSETS), count, p=[a.share for a in p.ASSETS])
    moved = rng.choice(len(p.REGIONS), count, p=[place.share for place in p.REGIONS])
    elsewhere = rng.random(count) < p.COLLATERAL_ELSEWHERE
    ranked = rng.random(count) < p.PRIOR_CLAIMS_SHARE
    prior = (value * rng.uniform(*p.PRIOR_CLAIMS, count)).round(2)
    region = pl.Series(p.REGION_CODES).gather(moved)
    return scaled.with_columns(
        product=pl.lit("business_loan"),
        collateral_type=pl.Series(p.ASSET_KINDS).gather(asset),
        collateral_value=pl.Series(value),
        collateral_region=pl.select(pl.when(pl.Series(elsewhere)).then(region)).to_series(),
        prior_claims=pl.select(pl.when(pl.Series(ranked)).then(pl.Series(prior))).to_series(),
    )


def outcome(loans: pl.DataFrame, debtor: pl.DataFrame, levels: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """Sell the collateral of each loan, and state what was to be expected.

    Parameters
    ----------
    loans : secured ``loans`` rows.
    debtor : for the same loans ``expected_<h>`` and ``realised_<h>``, the shares that the debtor pays.
    levels : price levels by asset and region.
    rng : stream of the draws.

    Returns
    -------
    polars.DataFrame
        ``loan_id``, ``sale_month`` (null: never), and by horizon the shares of the claim
        ``collateral_expected_<h>``, ``collateral_realised_<h>``, ``expected_<h>``, ``realised_<h>``.
    """
    asset, region, origin = _codes(loans)
    sold = auctions.draw(asset, region, levels, rng)
    months = sold.since(origin)
    realised = _shares(loans, sold, months)
    expected = np.zeros_like(realised)
    for row in range(loans.height):
        same = [np.full(p.EXPECTED_DRAWS, code[row]) for code in (asset, region, origin)]
        draws = auctions.draw(same[0], same[1], levels, rng)
        expected[row] = _shares(loans[row], draws, draws.since(same[2])).mean(axis=0)
    columns: dict[str, np.ndarray] = {}
    for number, h in enumerate(p.HORIZONS):
        for name, share in (("expected", expected), ("realised", realised)):
            columns[f"collateral_{name}_{h}"] = share[:, number]
            columns[f"{name}_{h}"] = 1 - (1 - share[:, number]) * (1 - debtor[f"{name}_{h}"].to_numpy())
    return loans.select("loan_id", sale_month=pl.Series(np.where(np.isfinite(months), months, np.nan))).with_columns(
        pl.col("sale_month").fill_nan(None), *[pl.Series(name, values) for name, values in columns.items()]
    )


def places(levels: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """What holds of sales by asset and region: mean price and cost over the appraisal, months, chance."""
    rows = []
    for asset, kind in enumerate(p.ASSET_KINDS):
        for region, code in enumerate(p.REGION_CODES):
            where = np.full(_CELL_DRAWS, asset), np.full(_CELL_DRAWS, region)
            drawn = auctions.draw(*where, levels, rng)
            of = drawn.sold
            months = {f"months_from_{origin}": drawn.since(np.full(_CELL_DRAWS, number))[of].mean()
                      for number, origin in enumerate(ORIGINS)}  # fmt: skip
            rows.append({"asset_type": kind, "region": code, "sold": of.mean(), "price": drawn.hammer[of].mean(),
                         "net": drawn.net[of].mean(), **months})  # fmt: skip
    return pl.DataFrame(rows)


def _codes(loans: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return indices of each loan's asset, region of the asset, and court step that it has reached."""
    asset = loans["collateral_type"].replace_strict(p.ASSET_KINDS, range(len(p.ASSETS)))
    place = loans.select(pl.coalesce("collateral_region", "region")).to_series()
    region = place.replace_strict(p.REGION_CODES, range(len(p.REGIONS)))
    origin = loans["legal_status"].replace_strict(ORIGINS, range(len(ORIGINS)), default=0)
    return asset.to_numpy(), region.to_numpy(), origin.to_numpy()


def _shares(loans: pl.DataFrame, sold: Courses, months: np.ndarray) -> np.ndarray:
    """Return the share of each claim that its collateral has paid by each horizon."""
    value, prior = loans["collateral_value"].to_numpy(), loans["prior_claims"].fill_null(0.0).to_numpy()
    claim = loans["balance"].to_numpy()
    paid = np.clip(value * sold.net - prior, 0.0, claim) / claim
    return np.where(months[:, None] <= np.array(p.HORIZONS), paid[:, None], 0.0)
