from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0008_category_parent"),
    ]

    operations = [
        migrations.RenameField(model_name="product", old_name="price", new_name="unit_price"),
        migrations.RenameField(model_name="orderline", old_name="price", new_name="unit_price"),
        migrations.AlterField(
            model_name="product",
            name="unit_price",
            field=models.DecimalField(decimal_places=2, max_digits=12),
        ),
    ]
