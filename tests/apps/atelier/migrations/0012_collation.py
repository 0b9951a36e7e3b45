"""CreateCollation and RemoveCollation; columns that use one, in creating, adding and altering."""

import django.contrib.postgres.operations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0011_add_relations")]
    operations = [
        django.contrib.postgres.operations.CreateCollation("atelier_german", locale="de-u-kn-true", provider="icu"),
        django.contrib.postgres.operations.CreateCollation(
            "atelier_caseless", locale="und-u-ks-level2", provider="icu", deterministic=False
        ),
        django.contrib.postgres.operations.CreateCollation("atelier_unused", locale="C"),
        migrations.AddField("maker", "sorted", models.CharField(max_length=20, db_collation="atelier_german", default="z")),
        migrations.AddField("maker", "folded", models.CharField(max_length=20, db_collation="C", unique=True, null=True)),
        migrations.CreateModel(
            "Word",
            [
                ("text", models.CharField(max_length=20, primary_key=True, db_collation="C")),
                ("other", models.TextField(db_collation="atelier_caseless", default="")),
            ],
        ),
        migrations.CreateModel(
            "Meaning",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("word", models.ForeignKey("atelier.word", models.CASCADE)),
            ],
        ),
        migrations.RunSQL(
            "INSERT INTO atelier_word VALUES ('a', 'A'), ('b', 'B'); INSERT INTO atelier_meaning (word_id) VALUES ('a')", ""
        ),
    ]
