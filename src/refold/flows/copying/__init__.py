"""A store into another, event by event, and what the two hold compared."""
