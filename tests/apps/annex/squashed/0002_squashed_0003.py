from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [("annex", "0002_shelf"), ("annex", "0003_shelf_name")]
    dependencies = [("annex", "0001_initial"), ("atelier", "0036_after_renaming")]
    operations = [
        migrations.CreateModel(
            "Shelf", [("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=20))]
        ),
        migrations.AddField("loan", "shelf", models.ForeignKey("annex.shelf", models.CASCADE, null=True)),
        migrations.RunSQL("INSERT INTO annex_shelf (name) VALUES ('top')", ""),
    ]
