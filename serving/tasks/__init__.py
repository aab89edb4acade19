"""What a service does in the background: taken in, done in a process of its own, its result kept to be fetched."""
