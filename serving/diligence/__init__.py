"""Due diligence of a tape on offer: what is in it, what is wrong with it, what it is worth and why."""
