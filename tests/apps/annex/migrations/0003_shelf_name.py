from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annex", "0002_shelf")]
    operations = [
        migrations.AlterField("shelf", "name", models.CharField(max_length=20)),
        migrations.RunSQL("INSERT INTO annex_shelf (name) VALUES ('top')", ""),
    ]
