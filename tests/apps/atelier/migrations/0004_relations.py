"""CreateModel: to itself, one to one, many to many with and without a model of its own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0003_kinds_of_models")]
    operations = [
        migrations.CreateModel(
            "Series",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=30, unique=True)),
                ("parent", models.ForeignKey("self", models.CASCADE, null=True)),
                ("akin", models.ManyToManyField("self")),
                ("follows", models.ManyToManyField("self", symmetrical=False, related_name="followed")),
                ("pieces", models.ManyToManyField("atelier.piece", related_name="series")),
                ("named_after", models.OneToOneField("atelier.maker", models.SET_NULL, null=True)),
            ],
        ),
        migrations.CreateModel(
            "Show",
            [("id", models.AutoField(primary_key=True)), ("city", models.CharField(max_length=30))],
        ),
        migrations.CreateModel(
            "Hanging",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("piece", models.ForeignKey("atelier.piece", models.CASCADE)),
                ("show", models.ForeignKey("atelier.show", models.CASCADE)),
                ("wall", models.CharField(max_length=10)),
            ],
            options={"unique_together": {("piece", "show")}},
        ),
        migrations.AddField(
            "show", "pieces", models.ManyToManyField("atelier.piece", through="atelier.hanging", related_name="shows")
        ),
        migrations.AddField(
            "piece", "tools", models.ManyToManyField("atelier.tool", db_table="atelier_piece_made_with")
        ),
    ]
