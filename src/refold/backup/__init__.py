"""Backups: a store as it was at one moment, in one file that says what it holds; made, restored, and tried."""
