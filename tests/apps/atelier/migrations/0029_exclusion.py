"""An extension and exclusion constraints."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.contrib.postgres.operations import BtreeGistExtension, CreateExtension
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0028_constraints")]
    operations = [
        BtreeGistExtension(),
        CreateExtension("pg_trgm"),
        migrations.AddConstraint(
            "piece",
            ExclusionConstraint(
                name="piece_lent_once",
                expressions=[("lent", RangeOperators.OVERLAPS), ("url", RangeOperators.EQUAL)],
                condition=models.Q(sold=False),
            ),
        ),
        migrations.AddConstraint(
            "piece",
            ExclusionConstraint(
                name="piece_lent_later",
                expressions=[("lent", RangeOperators.OVERLAPS)],
                include=["price"],
                deferrable=models.Deferrable.DEFERRED,
            ),
        ),
        migrations.RunSQL(
            "CREATE INDEX tool_trigrams ON atelier_tool USING gin (name gin_trgm_ops)", "DROP INDEX tool_trigrams"
        ),
    ]
