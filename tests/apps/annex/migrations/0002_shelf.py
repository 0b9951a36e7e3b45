from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annex", "0001_initial")]
    operations = [
        migrations.CreateModel(
            "Shelf", [("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=10))]
        ),
        migrations.AddField("loan", "shelf", models.ForeignKey("annex.shelf", models.CASCADE, null=True)),
    ]
