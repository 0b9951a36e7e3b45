"""CreateModel: inheritance over tables, proxies, mixins, unmanaged models."""

import django.db.models.manager
from django.db import migrations, models

import tests.apps.atelier.parts


class Migration(migrations.Migration):
    dependencies = [("atelier", "0002_first_rows")]
    operations = [
        migrations.CreateModel(
            "Piece",
            [
                ("id", models.AutoField(primary_key=True)),
                ("title", models.CharField(max_length=60, db_index=True)),
                ("price", models.DecimalField(max_digits=8, decimal_places=2)),
                ("made", models.DateField()),
                ("sold", models.BooleanField(default=False)),
                ("maker", models.ForeignKey("atelier.maker", models.PROTECT)),
            ],
            bases=(tests.apps.atelier.parts.Described, models.Model),
            managers=[("pieces", django.db.models.manager.Manager())],
        ),
        migrations.CreateModel(
            "Painting",
            [
                (
                    "piece_ptr",
                    models.OneToOneField(
                        "atelier.piece", models.CASCADE, parent_link=True, primary_key=True, serialize=False
                    ),
                ),
                ("width", models.PositiveIntegerField()),
            ],
            bases=("atelier.piece",),
        ),
        migrations.CreateModel("Master", [], bases=("atelier.tool",), options={"proxy": True, "indexes": []}),
        migrations.CreateModel(
            "Legacy",
            [("id", models.IntegerField(primary_key=True)), ("note", models.TextField())],
            options={"managed": False, "db_table": "atelier_legacy"},
        ),
    ]
