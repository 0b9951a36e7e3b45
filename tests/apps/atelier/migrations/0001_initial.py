"""CreateModel: keys, indexes, comments, options."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Maker",
            [
                ("id", models.AutoField(primary_key=True)),
                ("name", models.CharField(max_length=40, db_index=True)),
                ("email", models.EmailField(unique=True)),
                ("born", models.DateField(null=True, db_comment="By the parish's register")),
                ("apprentices", models.PositiveSmallIntegerField(default=0)),
            ],
            options={
                "db_table_comment": "Who makes things",
                "ordering": ["name"],
                "verbose_name": "maker of things",
                "permissions": [("can_commission", "Can commission")],
                "indexes": [models.Index(fields=["name", "-born"], name="maker_name_born")],
                "constraints": [models.CheckConstraint(condition=~models.Q(name=""), name="maker_named")],
            },
        ),
        migrations.CreateModel(
            "Tool",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=30)),
                ("kind", models.SlugField()),
                ("owner", models.ForeignKey("atelier.maker", models.CASCADE, null=True, related_name="tools")),
            ],
            options={"unique_together": {("name", "owner")}},
        ),
        migrations.CreateModel(
            "Pigment",
            [
                ("code", models.CharField(max_length=8, primary_key=True)),
                ("name", models.TextField(unique=True)),
                ("note", models.TextField(db_index=True, default="")),
            ],
            options={"db_table": "Pigments of all kinds"},
        ),
        migrations.CreateModel(
            "Ticket",
            [
                ("id", models.SmallAutoField(primary_key=True)),
                ("key", models.UUIDField(unique=True)),
                ("number", models.IntegerField()),
            ],
        ),
    ]
