"""Another primary key: a column becomes one, one becomes a column, one is renamed with those that point at it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0020_alter_keys")]
    operations = [
        migrations.AlterField("ticket", "next", models.IntegerField(null=True)),
        migrations.RemoveField("piece", "ticket"),
        migrations.RemoveField("ticket", "id"),
        migrations.AlterField("ticket", "key", models.UUIDField(primary_key=True)),
        migrations.CreateModel(
            "Stamp",
            [("name", models.CharField(max_length=10, primary_key=True)), ("number", models.IntegerField())],
        ),
        migrations.RunSQL("INSERT INTO atelier_stamp VALUES ('a', 1), ('b', 2)", ""),
        migrations.AlterField("stamp", "name", models.CharField(max_length=10, unique=True)),
        migrations.AlterField("stamp", "number", models.IntegerField(primary_key=True)),
        migrations.AlterField("stamp", "number", models.BigAutoField(primary_key=True)),
        migrations.RenameField("stamp", "number", "id"),
        migrations.AlterField("maker", "id", models.BigAutoField(primary_key=True, db_column="maker_id")),
        migrations.RenameField("maker", "id", "pk_of_maker"),
    ]
