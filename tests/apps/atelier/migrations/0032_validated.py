"""ValidateConstraint."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("atelier", "0031_not_valid")]
    operations = [ValidateConstraint("tool", "tool_light")]
