"""Which model version answers: kept as the registry says, changed between two questions, tried on a share."""
