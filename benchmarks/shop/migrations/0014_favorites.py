from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0013_first_rows"),
    ]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="favorites",
            field=models.ManyToManyField(to="shop.product"),
        ),
        migrations.AddField(
            model_name="supplier",
            name="categories",
            field=models.ManyToManyField(to="shop.category"),
        ),
    ]
