"""What deciders raise, told apart from what anything else raises."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import Any

from refold.errors import RefoldError
from refold.fold import Decider, decided


class DeciderRefused(Exception):
    """What a decider raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(str(error))


def telling_refusals(decider: Decider[Any, Any, Any]) -> Decider[Any, Any, Any]:
    """The same decider, whose refusals come out as `DeciderRefused`."""

    @wraps(decider.decide)
    def decide(command: Any, state: Any) -> tuple[Any, ...]:  # noqa: ANN401 - of the application's classes
        try:
            return decided(decider.decide(command, state))
        except RefoldError:
            raise
        except Exception as error:
            raise DeciderRefused(error) from error

    return replace(decider, decide=decide, events=decider.event_types, commands=decider.command_types)
