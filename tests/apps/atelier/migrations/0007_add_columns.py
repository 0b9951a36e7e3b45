"""AddField: with and without default, null, unique, index, comment."""

from django.db import migrations, models

import tests.apps.atelier.parts


class Migration(migrations.Migration):
    dependencies = [("atelier", "0006_raw_sql")]
    operations = [
        migrations.AddField("maker", "nickname", models.CharField(max_length=20, default="none")),
        migrations.AddField("maker", "motto", models.TextField(null=True)),
        migrations.AddField("maker", "seal", models.CharField(max_length=20, null=True, unique=True)),
        migrations.AddField("maker", "district", models.CharField(max_length=20, db_index=True, default="North")),
        migrations.AddField("maker", "fame", models.FloatField(default=0.5), preserve_default=False),
        migrations.AddField("tool", "weight", models.IntegerField(db_index=True, default=3)),
        migrations.AddField("tool", "bought", models.DateTimeField(null=True, db_comment="When it was bought")),
        migrations.AddField("tool", "sharp", models.BooleanField(default=tests.apps.atelier.parts.sharp)),
        migrations.AddField("tool", "rank", models.PositiveIntegerField(default=1)),
        migrations.AddField("tool", "barcode", models.SlugField(default="")),
        migrations.AddField("piece", "mark", models.CharField(max_length=10, null=True, unique=True)),
        migrations.AddField("painting", "height", models.PositiveSmallIntegerField(null=True)),
    ]
