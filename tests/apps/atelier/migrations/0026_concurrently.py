"""AddIndexConcurrently and RemoveIndexConcurrently, outside of a transaction."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("atelier", "0025_indexes_together")]
    operations = [
        AddIndexConcurrently("maker", models.Index(fields=["born"], name="maker_born")),
        AddIndexConcurrently("maker", models.Index(Lower("address"), name="maker_address", condition=models.Q(apprentices=0))),
        RemoveIndexConcurrently("tool", "tool_cover"),
        migrations.RunSQL("INSERT INTO atelier_stamp (id, name) VALUES (77, 'concurrent')", "DELETE FROM atelier_stamp WHERE name = 'concurrent'"),
        migrations.AddField("stamp", "face", models.CharField(max_length=10, db_index=True, default="")),
    ]
