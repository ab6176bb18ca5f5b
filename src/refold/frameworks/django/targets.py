"""The read models of the settings, for `--into refold.frameworks.django.targets:models`."""

from __future__ import annotations

from refold.frameworks.django.configured import configured
from refold.integrations.django import DjangoTarget

models = DjangoTarget(configured().models or "default")
