"""RenameField: with indexes, in unique_together, of a foreign key, of a key, of many to many, of a generated one's."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("atelier", "0013_alter_collation")]
    operations = [
        migrations.RenameField("tool", "weight", "grams"),
        migrations.RenameField("tool", "owner", "keeper"),
        migrations.RenameField("tool", "rank", "place"),
        migrations.RenameField("maker", "email", "address"),
        migrations.RenameField("maker", "name", "full_name"),
        migrations.RenameField("piece", "tools", "made_with"),
        migrations.RenameField("series", "follows", "comes_after"),
        migrations.RenameField("word", "text", "spelling"),
        migrations.RenameField("pigment", "name", "title"),
        migrations.RenameField("ticket", "number", "no"),
        migrations.RenameField("piece", "facts", "data"),
    ]
