"""The six feeds: one typed schema each, with units and the EBA template's field numbers.

Every row carries when it happened (the feed's ``HAPPENED`` column) and when it was learnt
(``known_at``, UTC).
"""

from features.feeds import borrowers, contacts, litigation, loans, market, payments

FEEDS = {
    "loans": loans,
    "borrowers": borrowers,
    "payments": payments,
    "contacts": contacts,
    "litigation": litigation,
    "market": market,
}
