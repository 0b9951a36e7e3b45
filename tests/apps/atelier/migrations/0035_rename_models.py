"""RenameModel: pointed at by foreign keys, relation tables, itself, children, a proxy, another app."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("atelier", "0034_options"), ("annex", "0001_initial")]
    operations = [
        migrations.RenameModel("Maker", "Artist"),
        migrations.RenameModel("Series", "Cycle"),
        migrations.RenameModel("Ledger", "Journal"),
        migrations.RenameModel("Master", "Maestro"),
        migrations.RenameModel("Hanging", "Placement"),
        migrations.RenameModel("Legacy", "Heritage"),
        migrations.RenameModel("Box", "Crate"),
        migrations.RenameModel("Crate", "Box"),
        migrations.RenameModel("Painting", "PaintedWork"),
    ]
