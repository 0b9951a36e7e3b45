"""What was dropped is made anew, with other columns under the same names."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0040_delete_models")]
    operations = [
        migrations.CreateModel(
            "Entry",
            [
                ("id", models.UUIDField(primary_key=True)),
                ("journal", models.ForeignKey("atelier.journal", models.CASCADE)),
                ("amount", models.DecimalField(max_digits=6, decimal_places=2, db_default=0)),
            ],
            options={"db_table_comment": "Again", "order_with_respect_to": "journal"},
        ),
        migrations.RunSQL(
            "INSERT INTO atelier_entry (id, journal_id, _order) SELECT md5(id::text)::uuid, id, 0 FROM atelier_journal", ""
        ),
        migrations.AddField("stand", "spare", models.ForeignKey("atelier.entry", models.SET_NULL, null=True)),
    ]
