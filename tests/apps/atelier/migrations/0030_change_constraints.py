"""AlterConstraint and RemoveConstraint; columns under constraints are renamed and retyped."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0029_exclusion")]
    operations = [
        migrations.AlterConstraint(
            "tool",
            "tool_weight",
            models.CheckConstraint(condition=models.Q(weight__gte=0), name="tool_weight", violation_error_message="Too light"),
        ),
        migrations.RemoveConstraint("tool", "tool_one_sharp"),
        migrations.RemoveConstraint("maker", "maker_now"),
        migrations.RemoveConstraint("maker", "maker_like"),
        migrations.RemoveConstraint("piece", "piece_lent_later"),
        migrations.RenameField("tool", "weight", "mass"),
        migrations.AlterField("maker", "full_name", models.CharField(max_length=70, unique=True)),
        migrations.RemoveConstraint("tool", "tool_named"),
        migrations.AddConstraint("tool", models.CheckConstraint(condition=~models.Q(name=""), name="tool_named")),
    ]
