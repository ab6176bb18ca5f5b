"""Tests for people who build on Refold: given/when/then, a manual clock, a simulation, and the contract of all backends."""

from __future__ import annotations

from refold.testing.checking import check_projection
from refold.testing.clock import ManualClock
from refold.testing.history import in_stream
from refold.testing.processcheck.checking import check_process
from refold.testing.simulation.simulating import Simulated, SimulationFailed, simulate
from refold.testing.spec import spec

__all__ = [
    "ManualClock",
    "Simulated",
    "SimulationFailed",
    "check_process",
    "check_projection",
    "in_stream",
    "simulate",
    "spec",
]
