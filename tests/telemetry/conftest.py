"""Failures of what is observed read as those of other tests do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.telemetry.observing")
