"""`manage.py refold`: the command line, on the store, the application and the read models that the settings name."""

from __future__ import annotations

import os
from argparse import REMAINDER
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import (  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]
    BaseCommand,
    CommandError,
)

from refold.cli.program import program
from refold.frameworks.django.configured import configured


class Command(BaseCommand):  # type: ignore[misc] # Django has no types
    """Every command of `refold`; what is given, or stands in the environment, counts more than the settings."""

    help = __doc__

    def run_from_argv(self, argv: Sequence[str]) -> None:
        """From a shell: all words are meant for `refold`."""
        _from_settings()
        program.main(list(argv[2:]), prog_name=f"{Path(argv[0]).name} refold")

    def add_arguments(self, parser: Any) -> None:  # noqa: ANN401 - as above
        """From `call_command`."""
        parser.add_argument("words", nargs=REMAINDER)

    def handle(self, *_: object, words: Sequence[str], **__: object) -> None:
        """The same from `call_command("refold", "run", "--once")`.

        Raises:
            CommandError: it did not end with 0.
        """
        _from_settings()
        try:
            program.main(list(words), prog_name="refold")
        except SystemExit as ended:
            if ended.code:
                raise CommandError(f"refold {' '.join(words)} ended with {ended.code}.") from ended


def _from_settings() -> None:
    found = configured()
    os.environ.setdefault("REFOLD_STORE", found.store)
    if found.app is not None:
        os.environ.setdefault("REFOLD_APP", found.app)
    if found.models is not None:
        os.environ.setdefault("REFOLD_INTO", "refold.frameworks.django.targets:models")
