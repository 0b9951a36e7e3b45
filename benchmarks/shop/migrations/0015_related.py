from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0014_favorites"),
    ]

    operations = [
        migrations.AddField(
            model_name="product",
            name="related",
            field=models.ManyToManyField(to="shop.product"),
        ),
        migrations.AlterField(
            model_name="category",
            name="name",
            field=models.CharField(max_length=120),
        ),
    ]
