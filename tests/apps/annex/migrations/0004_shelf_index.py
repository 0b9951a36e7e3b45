from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annex", "0003_shelf_name")]
    operations = [migrations.AddIndex("shelf", models.Index(fields=["name"], name="shelf_name"))]
