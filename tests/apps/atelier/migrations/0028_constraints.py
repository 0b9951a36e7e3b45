"""AddConstraint: checks; unique with conditions, expressions, deferred, with nulls, other columns, operator classes."""

from django.contrib.postgres.indexes import OpClass
from django.db import connections, migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    dependencies = [("atelier", "0027_batches")]
    operations = [
        migrations.AddConstraint("tool", models.CheckConstraint(condition=models.Q(weight__gte=0), name="tool_weight")),
        migrations.AddConstraint(
            "tool",
            models.CheckConstraint(
                condition=models.Q(name__contains="o") | models.Q(kind__in=["a%"]) | ~models.Q(name="x'"),
                name="tool_named",
            ),
        ),
        migrations.AddConstraint(
            "tool", models.UniqueConstraint(fields=["name"], condition=models.Q(sharp=1), name="tool_one_sharp")
        ),
        migrations.AddConstraint("tool", models.UniqueConstraint(Lower("name"), "keeper", name="tool_lower_unique")),
        migrations.AddConstraint(
            "maker",
            models.UniqueConstraint(fields=["address"], name="maker_later", deferrable=models.Deferrable.DEFERRED),
        ),
        migrations.AddConstraint(
            "maker",
            models.UniqueConstraint(fields=["full_name", "born"], name="maker_now", deferrable=models.Deferrable.IMMEDIATE),
        ),
        migrations.AddConstraint(
            "maker", models.UniqueConstraint(fields=["full_name"], include=["born"], name="maker_covering")
        ),
        migrations.AddConstraint(
            "maker", models.UniqueConstraint(OpClass("address", name="text_pattern_ops"), name="maker_like")
        ),
        migrations.AddConstraint(
            "piece", models.UniqueConstraint(fields=["mark", "made", "price", "title"], name="piece_nulls", nulls_distinct=False)
        ),
    ]
    # PostgreSQL 14 has no such constraint.
    if connections["default"].pg_version < 150000:
        del operations[-1]
