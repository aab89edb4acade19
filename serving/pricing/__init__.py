"""What loans are worth: recovery over time, net cash, price."""
