from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0011_review"),
    ]

    operations = [
        migrations.AddField(
            model_name="supplier",
            name="country",
            field=models.CharField(default="", max_length=2),
        ),
        migrations.AddIndex(model_name="supplier", index=models.Index(fields=["country"], name="supplier_country")),
        migrations.AddIndex(model_name="product", index=models.Index(fields=["name"], name="product_name")),
        migrations.AddIndex(
            model_name="order", index=models.Index(fields=["status", "placed_at"], name="order_status_placed")
        ),
    ]
