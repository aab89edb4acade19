"""What was known about a loan, and when it was known: feeds, lake, marts and the door to Feast."""
