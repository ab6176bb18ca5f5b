"""Programs as applications: written to a file, since their source is read, with the imports that the pages of rules leave out."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Final

from refold import App

IMPORTS: Final = """from __future__ import annotations
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import urlopen
from uuid import uuid4
from refold import *
"""


def application(directory: Path, name: str, text: str) -> App:
    """The app of a program."""
    file = directory / f"{name}.py"
    file.write_text(IMPORTS + text)
    spec = spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    app = module.app
    assert isinstance(app, App)
    return app
