"""Refold beside the raw limit of the same engine: same run, same durability, same payload, in turn."""
