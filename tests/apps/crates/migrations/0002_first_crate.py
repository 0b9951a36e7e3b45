from typing import Any

from django.db import migrations


def add_first(apps: Any, editor: Any) -> None:
    apps.get_model("crates", "Crate").objects.create(label="first")


class Migration(migrations.Migration):
    dependencies = [("crates", "0001_initial")]
    operations = [migrations.RunPython(add_first, migrations.RunPython.noop)]
