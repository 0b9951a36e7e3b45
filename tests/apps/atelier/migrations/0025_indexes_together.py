"""index_together, as migrations of former days have it, and RenameIndex of an index that has no name."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("atelier", "0024_rename_indexes")]
    operations = [
        migrations.AlterIndexTogether("series", {("name", "parent"), ("parent", "named_after")}),
        migrations.AlterIndexTogether("series", {("name", "parent")}),
        migrations.RenameIndex("series", new_name="series_name_parent", old_fields=("name", "parent")),
    ]
