"""Rows and columns changed in one transaction; constraints that are checked at its end."""

from django.db import migrations, models


def add(apps, schema_editor):
    Stand, Artist = apps.get_model("atelier", "Stand"), apps.get_model("atelier", "Artist")
    artist = Artist.objects.order_by("pk").first()
    Stand.objects.bulk_create(Stand(name=f"stand {n}", user=artist, label=f"s-{n}") for n in range(4))


def swap(apps, schema_editor):
    """Only possible since this one is checked at the transaction's end."""
    Artist = apps.get_model("atelier", "Artist")
    one, two = Artist.objects.order_by("pk")[:2]
    one.address, two.address = two.address, one.address
    one.motto, two.motto = "first", "second"


class Migration(migrations.Migration):
    dependencies = [("atelier", "0038_all_at_once")]
    operations = [
        migrations.RunPython(add, migrations.RunPython.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AddField("stand", "height", models.IntegerField(default=7)),
        migrations.RunPython(swap, migrations.RunPython.noop),
        migrations.AlterField("stand", "height", models.FloatField(default=7.5)),
        migrations.AlterField("stand", "user", models.ForeignKey("atelier.artist", models.CASCADE, null=True)),
    ]
