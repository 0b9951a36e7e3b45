from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0009_unit_price"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="stock",
            constraint=models.UniqueConstraint(fields=("product", "warehouse"), name="one_stock_per_warehouse"),
        ),
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.UniqueConstraint(fields=("order", "product"), name="one_line_per_product"),
        ),
    ]
