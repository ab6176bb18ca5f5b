"""The rules of the architect, by practice; each with its page."""
