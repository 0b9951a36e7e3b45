"""AlterField: collations, also of a key that a foreign key follows; with a length, a type and an index."""

import django.contrib.postgres.operations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0012_collation")]
    operations = [
        migrations.AlterField("maker", "sorted", models.CharField(max_length=20, db_collation="C", default="z")),
        migrations.AlterField("maker", "folded", models.CharField(max_length=30, unique=True, null=True)),
        migrations.AlterField("word", "text", models.CharField(max_length=20, primary_key=True, db_collation="atelier_german")),
        migrations.AlterField("word", "other", models.CharField(max_length=20, db_collation="C", db_index=True, default="")),
        migrations.AlterField("maker", "motto", models.TextField(null=True, db_collation="atelier_german", db_index=True)),
        django.contrib.postgres.operations.RemoveCollation("atelier_unused", locale="C"),
    ]
