"""OpenTelemetry: the spans and figures of a store, its writers and its read models. Nothing in the core knows of it."""

from __future__ import annotations

from refold.telemetry.instrumenting import instrument

__all__ = ["instrument"]
