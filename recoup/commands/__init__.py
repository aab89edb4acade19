"""The commands, a module a floor. Each calls one function of its floor."""
