"""A debtor's profile: what was known of him at a moment, what the models say to that, and one page of it."""
