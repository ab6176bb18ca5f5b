"""What events look like, written down: canonical JSON Schema, the lock file, and what a change means for history."""
