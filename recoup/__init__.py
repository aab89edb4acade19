"""The front door: the command line, the demo and the benches. No logic lives here."""
