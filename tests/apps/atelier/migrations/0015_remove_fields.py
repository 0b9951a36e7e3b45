"""RemoveField: with index, unique, foreign key, check, many to many; in unique_together before."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("atelier", "0014_rename_fields")]
    operations = [
        migrations.RemoveField("maker", "district"),
        migrations.RemoveField("maker", "seal"),
        migrations.RemoveField("maker", "fame"),
        migrations.RemoveField("piece", "buyer"),
        migrations.RemoveField("piece", "extra"),
        migrations.RemoveField("piece", "groups"),
        migrations.RemoveField("piece", "frame"),
        migrations.RemoveField("tool", "place"),
        migrations.RemoveField("series", "akin"),
        migrations.RemoveField("painting", "height"),
        migrations.RemoveField("show", "shoes"),
    ]
