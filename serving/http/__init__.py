"""What both services have in common over HTTP: who may ask, what is refused and how, what is measured."""
