from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0015_related"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="note",
            field=models.TextField(default=""),
        ),
        migrations.AddField(
            model_name="warehouse",
            name="city",
            field=models.CharField(default="", max_length=80),
        ),
        migrations.AlterField(
            model_name="order",
            name="status",
            field=models.CharField(
                choices=[("new", "new"), ("paid", "paid"), ("sent", "sent")], default="new", max_length=20
            ),
        ),
    ]
