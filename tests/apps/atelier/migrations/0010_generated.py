"""GeneratedField: stored, of several columns, with an index; virtual where Django and PostgreSQL have them."""

import django
from django.db import connections, migrations, models
from django.db.models.functions import Lower


def _virtual():
    field = models.GeneratedField(
        expression=models.F("seats") * 3, output_field=models.IntegerField(), db_persist=False
    )
    return [migrations.AddField("show", "feet", field)]


HAS_VIRTUAL = django.VERSION >= (6, 0) and connections["default"].features.supports_virtual_generated_columns


class Migration(migrations.Migration):
    dependencies = [("atelier", "0009_database_defaults")]
    operations = [
        migrations.AddField(
            "show",
            "shoes",
            models.GeneratedField(expression=models.F("seats") * 2, output_field=models.IntegerField(), db_persist=True),
        ),
        migrations.AddField(
            "show",
            "city_lower",
            models.GeneratedField(
                expression=Lower("city"), output_field=models.CharField(max_length=30), db_persist=True, db_index=True
            ),
        ),
        migrations.CreateModel(
            "Box",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("width", models.IntegerField()),
                ("height", models.IntegerField(db_default=2)),
                (
                    "area",
                    models.GeneratedField(
                        expression=models.F("width") * models.F("height"),
                        output_field=models.BigIntegerField(),
                        db_persist=True,
                        unique=True,
                    ),
                ),
            ],
        ),
        migrations.RunSQL("INSERT INTO atelier_box (width) VALUES (1), (2), (3)", ""),
        *(_virtual() if HAS_VIRTUAL else []),
    ]
