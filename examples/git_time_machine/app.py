"""The time machine, named to tools as `--app examples.git_time_machine.app:app`."""

from __future__ import annotations

from examples.git_time_machine.tree import lines

from refold import App

app = App(lines)
