"""RenameIndex and RemoveIndex; an index's columns are renamed and retyped."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0023_indexes")]
    operations = [
        migrations.RenameIndex("tool", new_name="tool_lowered", old_name="tool_lower"),
        migrations.RemoveIndex("tool", "tool_like"),
        migrations.RemoveIndex("piece", "piece_lent_sp"),
        migrations.AlterField("tool", "grams", models.BigIntegerField(default=3)),
        migrations.AlterField("tool", "name", models.CharField(max_length=80)),
        migrations.RenameField("tool", "grams", "weight"),
        migrations.RemoveIndex("tool", "tool_sharp"),
    ]
