"""AddField and CreateModel: defaults that the database keeps."""

import django.db.models.functions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0008_add_typed_columns")]
    operations = [
        migrations.AddField("show", "seats", models.IntegerField(db_default=40)),
        migrations.AddField("show", "motto", models.CharField(max_length=20, db_default="it's 100%")),
        migrations.AddField("show", "open", models.BooleanField(db_default=True, default=False)),
        migrations.AddField(
            "show", "code", models.CharField(max_length=20, db_default=django.db.models.functions.Lower(models.Value("AB")))
        ),
        migrations.AddField("show", "plan", models.JSONField(db_default={"rooms": [1, 2]})),
        migrations.CreateModel(
            "Visit",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("show", models.ForeignKey("atelier.show", models.CASCADE, db_default=1)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.Now())),
                ("guests", models.PositiveIntegerField(db_default=models.Value(1) + models.Value(1))),
            ],
        ),
        migrations.RunSQL("INSERT INTO atelier_visit (show_id, at) VALUES (1, '1500-01-01+00'), (2, '1501-01-01+00')", ""),
    ]
