"""Concerts, served by FastAPI."""
