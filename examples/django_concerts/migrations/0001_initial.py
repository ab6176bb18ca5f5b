"""The table of the read model."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]


class Migration(migrations.Migration):  # type: ignore[misc] # Django has no types
    initial = True
    dependencies: ClassVar[Any] = []
    operations: ClassVar[Any] = [
        migrations.CreateModel(
            name="Evening",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("guest", models.CharField(db_index=True, max_length=100)),
                ("concert", models.CharField(max_length=100)),
                ("seats", models.IntegerField()),
            ],
            options={"unique_together": {("guest", "concert")}},
        ),
    ]
