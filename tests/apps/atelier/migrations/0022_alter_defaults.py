"""AlterField: defaults that the database keeps, generated columns, comments; what changes nothing in the database."""

import django.db.models.functions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0021_change_keys")]
    operations = [
        migrations.AlterField("show", "seats", models.IntegerField(db_default=50)),
        migrations.AlterField("show", "seats", models.BigIntegerField(db_default=51)),
        migrations.AlterField("show", "motto", models.CharField(max_length=30)),
        migrations.AlterField("show", "city", models.CharField(max_length=30, db_default="Pisa")),
        migrations.AlterField("visit", "at", models.DateTimeField(null=True)),
        migrations.AlterField("visit", "at", models.DateTimeField(db_default=django.db.models.functions.Now())),
        migrations.AlterField("visit", "show", models.ForeignKey("atelier.show", models.CASCADE, db_default=2)),
        migrations.AlterField("show", "open", models.BooleanField(default=True)),
        migrations.AlterField("maker", "born", models.DateTimeField(null=True, db_comment="It's certain")),
        migrations.AlterField("tool", "name", models.CharField(max_length=30, db_comment="What it is called")),
        migrations.AlterField("tool", "name", models.CharField(max_length=40)),
        migrations.AlterField("tool", "kind", models.SlugField(verbose_name="sort", help_text="Which sort", choices=[("a", "A")])),
        migrations.AlterField("tool", "kind", models.SlugField(db_column="sort")),
        migrations.AlterField(
            "box",
            "area",
            models.GeneratedField(
                expression=models.F("width") * models.F("height"),
                output_field=models.BigIntegerField(),
                db_persist=True,
                db_comment="In feet",
            ),
        ),
    ]
