"""AlterField: types, with rows that are converted."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0015_remove_fields")]
    operations = [
        migrations.AlterField("tool", "grams", models.BigIntegerField(db_index=True, default=3)),
        migrations.AlterField("tool", "grams", models.CharField(max_length=10, db_index=True, default="3")),
        migrations.AlterField("tool", "grams", models.IntegerField(default=3)),
        migrations.AlterField("tool", "sharp", models.IntegerField(default=1)),
        migrations.AlterField("tool", "bought", models.DateField(null=True)),
        migrations.AlterField("maker", "apprentices", models.SmallIntegerField(default=0)),
        migrations.AlterField("maker", "nickname", models.CharField(max_length=200, default="none")),
        migrations.AlterField("maker", "nickname", models.CharField(max_length=8, default="none")),
        migrations.AlterField("maker", "born", models.DateTimeField(null=True)),
        migrations.AlterField("piece", "price", models.DecimalField(max_digits=12, decimal_places=4)),
        migrations.AlterField("piece", "drying", models.TextField()),
        migrations.AlterField("piece", "big", models.DecimalField(max_digits=20, decimal_places=0)),
        migrations.AlterField(
            "piece",
            "tags",
            django.contrib.postgres.fields.ArrayField(models.CharField(max_length=40), default=list, size=4),
        ),
        migrations.AlterField("piece", "token", models.CharField(max_length=36)),
        migrations.AlterField("ticket", "no", models.PositiveIntegerField()),
    ]
