from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0016_order_note"),
    ]

    operations = [
        migrations.AddField(
            model_name="product",
            name="weight",
            field=models.IntegerField(default=0),
        ),
    ]
