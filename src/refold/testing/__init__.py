"""Tests for people who build on Refold: given/when/then, a manual clock, and the contract that every backend must pass."""

from __future__ import annotations

from refold.testing.checking import check_projection
from refold.testing.clock import ManualClock
from refold.testing.history import in_stream
from refold.testing.processcheck.checking import check_process
from refold.testing.spec import spec

__all__ = ["ManualClock", "check_process", "check_projection", "in_stream", "spec"]
