"""Every number of the simulated world, with its unit and, where there is one, its source.

``domain.md`` below is the project's sheet of published figures. Numbers without a source are set
so that the shapes of that sheet come out; they claim nothing about any real portfolio.
"""

from typing import NamedTuple

import numpy as np

CURRENCY = "USD"
JURISDICTION = "US"
HORIZON = 60  # months of cash followed for every loan
COHORTS = 60  # monthly cut-offs in the book, the last one a month before ``until``
HORIZONS = (6, 12, 24, 36, 60)  # months since cut-off that the truth folder states


class Region(NamedTuple):
    """A state: its share of borrowers, and what is special about it."""

    code: str
    zone: str  # IANA name
    share: float  # of borrowers
    cash: float  # log effect on the rate of payments
    unemployment: float  # long-run mean, share of the labour force
    labour_force: float  # thousands
    court_months: float  # from filing to judgment
    limitation_years: float  # from default; round figures, not legal advice
    city: str


REGIONS = (
    Region("AK", "America/Anchorage", 0.03, 0.12, 0.048, 350, 7.0, 3, "Anchorage"),
    Region("AZ", "America/Phoenix", 0.07, -0.04, 0.043, 3700, 8.0, 6, "Phoenix"),
    Region("CA", "America/Los_Angeles", 0.17, -0.10, 0.048, 19400, 14.0, 4, "Fresno"),
    Region("CO", "America/Denver", 0.06, 0.15, 0.041, 3200, 7.0, 6, "Denver"),
    Region("FL", "America/New_York", 0.13, -0.18, 0.043, 11000, 10.0, 5, "Tampa"),
    Region("GA", "America/New_York", 0.08, -0.08, 0.042, 5300, 9.0, 6, "Atlanta"),
    Region("HI", "Pacific/Honolulu", 0.03, 0.10, 0.040, 680, 11.0, 6, "Honolulu"),
    Region("IL", "America/Chicago", 0.09, 0.00, 0.047, 6500, 12.0, 5, "Chicago"),
    Region("NY", "America/New_York", 0.12, -0.05, 0.046, 9700, 16.0, 6, "Buffalo"),
    Region("OH", "America/New_York", 0.07, 0.08, 0.046, 5800, 8.0, 6, "Columbus"),
    Region("TX", "America/Chicago", 0.10, 0.02, 0.044, 15000, 6.0, 4, "Houston"),
    Region("WA", "America/Los_Angeles", 0.05, 0.18, 0.045, 4000, 9.0, 6, "Tacoma"),
)
REGION_CODES = tuple(region.code for region in REGIONS)

# --- market: AR(1) by month around a constant, so that an unchanged world stays unchanged --------
MARKET_MEMORY = 0.85  # month-on-month autocorrelation
UNEMPLOYMENT_SPREAD = 0.0025  # stationary standard deviation, share of the labour force
MARKET_HISTORY = 24  # months published before the first cut-off
CASH_PER_UNEMPLOYMENT = float(np.log(2)) / 0.04  # four points more halve every cash rate
CASH_CEILING = 1.25  # the market never lifts cash rates above this multiple
DOWNTURN_LEAD = 6  # months before ``until`` at which a downturn starts, unless told otherwise
DOWNTURN_POINTS = 0.04  # rise of unemployment, share of the labour force
DOWNTURN_LENGTH = 18  # months at full depth; it fades by 1/e in a further 12

# --- borrowers -----------------------------------------------------------------------------------
SEVERAL_LOANS = 0.03  # share of borrowers with more than one loan
HOUSEHOLD = 0.015  # share of borrowers who give the telephone of another borrower
UNKNOWN_ZONE = 0.02
UNKNOWN_CONSENT = 0.03  # share of each consent that is not on file
DISPUTED = 0.02
NO_CONTACT_AT_START = 0.012
NO_CONTACT_PER_MONTH = 0.0012  # hazard of asking, after the first cut-off
CONSENTS = {"call": 0.94, "auto_call": 0.78, "sms": 0.82, "email": 0.80, "visit": 0.60}

KINDS = ("worker", "night_shift", "retired", "student", "at_home")  # whose day looks how
INCOME_MEDIAN = 52_000.0  # USD a year
INCOME_PER_ABILITY = 0.45  # log points for one standard deviation

# --- loans ---------------------------------------------------------------------------------------
PRODUCTS = ("personal_loan", "credit_card", "consumer_finance")
PRODUCT_SHARE = (0.60, 0.25, 0.15)
PRODUCT_AMOUNT = (11_000.0, 5_500.0, 2_600.0)  # median lent, USD
PRODUCT_AMOUNT_SPREAD = (0.60, 0.65, 0.55)  # standard deviation of its log
PRODUCT_CASH = (0.05, -0.15, 0.10)  # log effect on the rate of payments
GRADES = ("A", "B", "C", "D", "E", "F", "G")
GRADE_SHARE = (0.05, 0.17, 0.28, 0.23, 0.15, 0.08, 0.04)
GRADE_RATE = (0.075, 0.105, 0.140, 0.180, 0.220, 0.260, 0.295)  # per year
GRADE_CASH = (0.30, 0.20, 0.10, 0.00, -0.10, -0.20, -0.30)  # log effect
TYPICAL_BALANCE = 6_000.0  # USD
DEFAULT_DAYS = 90  # past due at default (EBA definition of default)
CHARGE_OFF_DAYS = 180  # past due when interest stops (domain.md: 120-180 days)
LATE_FEE = 39.0  # USD for a missed instalment
DEBT_AGE = (5.0, 72.0)  # months from default to cut-off
DEBT_AGE_YOUNG = 7.0  # mean months above the minimum of the recently defaulted
DEBT_AGE_OLD_SHARE = 0.30  # the others are spread evenly from one to six years
INSOLVENT = 0.012  # share of loans
INSOLVENT_CASH = 0.2  # multiple of the cash rate
FILED_BEFORE = 0.03  # share of loans on which the seller had filed by the cut-off
JUDGED_BEFORE = 0.04  # share of loans older than two years with the seller's judgment

# --- cash: rates a month at ability = willingness = 0, debt just defaulted, market normal --------
PAYMENT_RATE = 0.0265  # part payments a month that come by themselves
PAYMENT_PER_ABILITY, PAYMENT_PER_WILLINGNESS = 0.55, 1.50  # log points
SETTLEMENT_RATE = 0.0043  # settlements a month
SETTLEMENT_PER_ABILITY, SETTLEMENT_PER_WILLINGNESS = 0.55, 0.45
DEBT_AGE_DECAY = 34.0  # months in which every rate falls by 1/e (mean recovery by age: domain.md)
PLACEMENT_DECAY = 14.0  # months in which the first effort after a sale wears off
PLACEMENT_FLOOR = 0.25  # of the rate, once it has worn off
PAYMENT_SHARE = 0.030  # of what is still owed, mean of one payment at income = 5 x balance
PAYMENT_SHARE_POWER = 0.40  # elasticity to income over balance
PAYMENT_SHARE_RANGE = (0.006, 0.12)
PAYMENT_SHARE_SHAPE = 2.0  # gamma shape of one payment around its mean
SETTLED_IN_FULL = 0.10  # share of settlements that pay everything
SETTLED_SHARE = (6.0, 8.0)  # beta parameters of the others
SMALLEST_PAYMENT = 1.0  # USD
PAYMENT_LAG = 5.0  # days at most until a payment is known

# --- attempts ------------------------------------------------------------------------------------
CHANNELS = ("call", "auto_call", "sms", "email", "letter", "visit")
CALL, AUTO_CALL, SMS, EMAIL, LETTER, VISIT = range(len(CHANNELS))
ATTEMPT_RATE = 2.35  # a month just after placement
ATTEMPT_DECAY = 7.0  # months
ATTEMPT_FLOOR = 0.045  # a month, to the end
PLACEMENT_DAYS = 3.0  # from cut-off to the first attempt
QUIET_DAYS = 7.0  # no telephone after a conversation (12 CFR 1006.14(b)(2), domain.md)
CHANNEL_SHARE = (0.40, 0.20, 0.17, 0.10, 0.09, 0.04)  # the logging policy's average taste
CHANNEL_PER_AGE = (0.05, -0.20, -0.05, 0.0, 0.20, 0.10)  # log odds a year of debt age
CHANNEL_PER_BALANCE = (0.15, -0.10, -0.10, -0.05, 0.0, 0.40)  # log odds a log point of balance
PROPENSITY_FLOOR = 0.02
COST_TRY = (0.80, 0.12, 0.03, 0.01, 0.95, 28.0)  # USD an attempt
COST_TALK = (2.40, 0.20, 0.05, 0.03, 0.10, 9.0)  # USD on top when the debtor is reached
# Chance of right party for a living number at an average hour. Calls: domain.md, 26 % of attempts.
CONTACT_BASE = (0.340, 0.285, 0.110, 0.070, 0.055, 0.420)
CONTACT_CEILING = 1.65  # most that a borrower's own reachability multiplies it by
CONTACT_PROFILE = (1.0, 1.0, 0.4, 0.3, 0.0, 0.5)  # exponent on the hour profile
HABIT, HABIT_PER_WILLINGNESS, OWN_HABIT = 1.1, 0.3, 0.6  # log odds of answering: by person, by channel
HABIT_MEAN = 0.55
LIVING = (0.80, 0.70, 0.85, 0.88)  # share of first and second telephones, e-mails, addresses
DEAD_POINT = 0.03  # multiple of the chance on a dead number
SECOND_PHONE = 0.30  # share of calls to those with two numbers that try the second
# Local hours at which the logging policy tries; under 1 % outside 8:00-21:00.
HOUR_WEIGHT = {7: 0.04, 8: 0.6, 9: 1.2, 10: 1.4, 11: 1.4, 12: 1.0, 13: 1.0, 14: 1.2, 15: 1.2,
               16: 1.1, 17: 0.9, 18: 0.7, 19: 0.5, 20: 0.3, 21: 0.04}  # fmt: skip

# --- what a conversation adds: chance of one more payment within 30 days, by years since default -
# Machines serve early delinquency, people serve old debt better (Choi et al., NBER 33669).
EFFECT_YEARS = (0.5, 1.5, 2.5, 6.0)
EFFECT = {
    "call": (0.19, 0.21, 0.22, 0.23),
    "auto_call": (0.16, 0.06, 0.00, 0.00),
    "sms": (0.07, 0.06, 0.05, 0.04),
    "email": (0.05, 0.05, 0.04, 0.04),
    "letter": (0.05, 0.06, 0.06, 0.07),
    "visit": (0.34, 0.37, 0.39, 0.41),
}
HARM = (0.0, 0.0, 0.08, 0.14)  # share of own payments that a machine's call on old debt drives off
EFFECT_DAYS = 30.0
EFFECT_PER_ABILITY = 0.35  # log points
PROMISE_IF_PAYING = 0.6  # chance that a payment brought by a conversation was promised in it
AGENCIES = ("agency_1", "agency_2", "agency_3", "agency_4", "agency_5", "agency_6")
AGENCY_SKILL = (1.30, 1.12, 1.00, 0.88, 0.70, 1.20)  # multiple of the effect of a conversation
AGENCY_SHARE = (0.24, 0.22, 0.20, 0.18, 0.16)  # of ordinary placements
AGENCY_PER_EASE = (0.8, 0.4, 0.0, -0.4, -0.8)  # log odds: easy cases go to the skilled
NEW_AGENCY_SHARE = 0.03  # of placements in the last ``NEW_AGENCY_MONTHS``
NEW_AGENCY_MONTHS = 6
AGENTS = 8  # in each agency
COMMISSION = 0.15  # of what an agency brings in

# --- court ---------------------------------------------------------------------------------------
FILING_LOGIT = -4.2
FILING_PER_BALANCE, FILING_PER_JOB = 0.9, 0.8  # log odds a log point, and for those in work
FILING_DELAY = (2.0, 8.0)  # months after cut-off: least, and mean on top
JUDGMENT_WON = 0.8
ENFORCEMENT_DELAY = (1.0, 4.0)  # months after judgment
ENFORCEMENT_MONTHS = 18.0
LEGAL_RATE = 0.22  # payments a month under enforcement
LEGAL_PER_ABILITY = 0.5
LEGAL_SHARE = 0.030  # of what is still owed, mean of one of them
COURT_COST = {"filed": 240.0, "judgment": 150.0, "enforcement": 180.0, "closed": 0.0}  # USD
COURT_COST_SHARE = 0.015  # of the claim, at filing

# --- corporate loans with collateral, and the courts' auctions of other debts' assets -------------


class Asset(NamedTuple):
    """A kind of collateral, and how it sells in a court with average prices and speed."""

    kind: str
    share: float  # of auctions, and of secured loans
    reserve: float  # lowest bid of the first round over the appraisal
    lift: float  # scale of the log of the winning bid over the reserve, gamma with shape 2
    sells: float  # chance that a round ends in a sale
    months: float  # that a round takes
    cost: float  # of the sale, share of the bid


# The reserve of a Chinese online auction is at least 70 % of the appraisal, and a second round's at
# most a fifth lower (Supreme People's Court, Fa Shi [2016] No. 18, Art. 10 and 26).
ASSETS = (
    Asset("residential", 0.34, 0.70, 0.10, 0.60, 1.5, 0.05),
    Asset("commercial", 0.20, 0.60, 0.08, 0.40, 2.0, 0.08),
    Asset("industrial", 0.14, 0.55, 0.07, 0.35, 2.5, 0.08),
    Asset("land", 0.10, 0.60, 0.12, 0.35, 2.5, 0.06),
    Asset("vehicle", 0.12, 0.55, 0.10, 0.70, 1.0, 0.10),
    Asset("equipment", 0.10, 0.35, 0.12, 0.45, 1.5, 0.12),
)
ASSET_KINDS = tuple(asset.kind for asset in ASSETS)
AUCTIONS = 4_000  # cases about an asset filed in the months of ``AUCTION_MONTHS``
AUCTION_MONTHS = (-24, 60)  # months of the clock: 60 is ``until``
AUCTION_ROUNDS = 3
AUCTION_REDUCTION = 0.80  # of the reserve, after a round without a bid
AUCTION_WITHDRAWN = 0.06  # chance that a round ends the auction without a sale
AUCTION_COST, AUCTION_ROUND_COST = 0.010, 0.002  # of the appraisal: to list, and for a round
PLACE_PRICE = (0.10, 0.05)  # log standard deviation of the reserve by region, and by asset there
COURT_MONTHS = 10.0  # of a court with average speed, from filing to judgment
ENFORCED_AFTER, LISTED_AFTER = (1.0, 2.0), (2.0, 2.0)  # months: least, and mean on top
APPRAISAL_MEDIAN, APPRAISAL_SPREAD = 400_000.0, 0.8  # USD; standard deviation of the log
AUCTION_LAG = 20  # days at most until a step is known
CORPORATE_SCALE = 40.0  # a company's debt over a person's of the same grade and age
COLLATERAL_COVER = (1.0, 0.5)  # appraisal over balance: median, standard deviation of the log
COLLATERAL_ELSEWHERE = 0.15  # share that lies in another region
PRIOR_CLAIMS_SHARE = 0.35  # share of collateral with claims that rank before ours
PRIOR_CLAIMS = (0.05, 0.50)  # of the appraisal, evenly
EXPECTED_DRAWS = 2_000  # sales drawn for each loan to state what was to be expected of it
