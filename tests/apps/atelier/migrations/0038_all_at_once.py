"""Many operations of one table in one migration, whose SQL Django puts off: renamed and dropped before it is sent."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0037_separate")]
    operations = [
        migrations.CreateModel(
            "Easel",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=20, db_index=True)),
                ("owner", models.ForeignKey("atelier.artist", models.CASCADE)),
            ],
        ),
        migrations.AddField("easel", "tool", models.ForeignKey("atelier.tool", models.CASCADE, null=True)),
        migrations.RenameField("easel", "owner", "user"),
        migrations.RenameModel("Easel", "Stand"),
        migrations.AlterModelTable("stand", "atelier_easels"),
        migrations.AddField("stand", "code", models.SlugField(unique=True)),
        migrations.RenameField("stand", "code", "label"),
        migrations.AddIndex("stand", models.Index(fields=["label", "name"], name="stand_label")),
        migrations.AlterUniqueTogether("stand", {("name", "user")}),
        migrations.AddField("stand", "shows", models.ManyToManyField("atelier.show")),
        migrations.RenameField("stand", "shows", "seen_at"),
        migrations.AddField("stand", "spare", models.ForeignKey("atelier.box", models.CASCADE, null=True)),
        migrations.RemoveField("stand", "spare"),
        migrations.CreateModel("Nail", [("id", models.AutoField(primary_key=True)), ("stand", models.ForeignKey("atelier.stand", models.CASCADE))]),
        migrations.DeleteModel("Nail"),
        migrations.AlterField("stand", "tool", models.ForeignKey("atelier.tool", models.CASCADE, null=True, db_constraint=False)),
    ]
