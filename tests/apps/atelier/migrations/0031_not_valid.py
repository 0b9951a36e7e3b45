"""AddConstraintNotValid, of rows that break it, which are mended."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


def mend(apps, schema_editor):
    apps.get_model("atelier", "Tool").objects.filter(mass__gt=8).update(mass=8)


class Migration(migrations.Migration):
    dependencies = [("atelier", "0030_change_constraints")]
    operations = [
        AddConstraintNotValid("tool", models.CheckConstraint(condition=models.Q(mass__lte=8), name="tool_light")),
        AddConstraintNotValid("tool", models.CheckConstraint(condition=models.Q(mass__lte=9), name="tool_unsure")),
        migrations.RunPython(mend, migrations.RunPython.noop),
    ]
