"""AlterField: unique and db_index on and off, with the _like indexes of texts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0017_alter_null")]
    operations = [
        migrations.AlterField("maker", "address", models.EmailField()),
        migrations.AlterField("maker", "address", models.EmailField(db_index=True)),
        migrations.AlterField("maker", "address", models.EmailField(unique=True)),
        migrations.AlterField("maker", "address", models.TextField(unique=True)),
        migrations.AlterField("maker", "full_name", models.TextField(db_index=True)),
        migrations.AlterField("maker", "full_name", models.CharField(max_length=60)),
        migrations.AlterField("maker", "full_name", models.CharField(max_length=60, unique=True)),
        migrations.AlterField("pigment", "note", models.TextField(default="")),
        migrations.AlterField("pigment", "note", models.CharField(max_length=50, default="", db_index=True)),
        migrations.AlterField("pigment", "title", models.CharField(max_length=50, unique=True)),
        migrations.AlterField("ticket", "no", models.IntegerField(unique=True)),
        migrations.AlterField("ticket", "no", models.IntegerField(db_index=True)),
        migrations.AlterField("ticket", "key", models.UUIDField()),
        migrations.AlterField("ticket", "key", models.UUIDField(unique=True, db_index=True)),
        migrations.AlterField("piece", "title", models.CharField(max_length=60, unique=True)),
    ]
