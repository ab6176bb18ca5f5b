"""Concerts, served by Litestar."""
