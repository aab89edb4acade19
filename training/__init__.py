"""Floor 2: models, and the evidence for them."""
