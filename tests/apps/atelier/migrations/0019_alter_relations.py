"""AlterField: foreign keys on and off, to other tables and columns, with and without constraint and index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0018_alter_unique")]
    operations = [
        migrations.AlterField("piece", "ticket", models.ForeignKey("atelier.ticket", models.SET_NULL, null=True)),
        migrations.AlterField(
            "piece", "ticket", models.ForeignKey("atelier.ticket", models.SET_NULL, null=True, db_constraint=False)
        ),
        migrations.AlterField("piece", "ticket", models.ForeignKey("atelier.box", models.SET_NULL, null=True)),
        migrations.AlterField("piece", "ticket", models.OneToOneField("atelier.box", models.SET_NULL, null=True)),
        migrations.AlterField("piece", "ticket", models.IntegerField(null=True)),
        migrations.AlterField("piece", "ticket", models.ForeignKey("atelier.ticket", models.SET_NULL, null=True)),
        migrations.AlterField("piece", "pigment", models.ForeignKey("atelier.pigment", models.CASCADE, null=True)),
        migrations.AlterField("piece", "pigment", models.CharField(max_length=8, null=True, db_index=True)),
        migrations.AlterField("piece", "lead", models.IntegerField(db_column="lead_id")),
        migrations.AlterField("piece", "lead", models.ForeignKey("atelier.maker", models.CASCADE, db_column="boss")),
        migrations.AlterField("piece", "sponsor", models.ForeignKey("guild.member", models.PROTECT, null=True, db_constraint=False)),
        migrations.AlterField("piece", "sponsor", models.ForeignKey("guild.member", models.PROTECT, null=True)),
        migrations.AlterField("piece", "maker", models.ForeignKey("guild.member", models.PROTECT, db_constraint=False)),
        migrations.AlterField("piece", "maker", models.ForeignKey("atelier.maker", models.PROTECT)),
        migrations.AlterField("series", "named_after", models.ForeignKey("atelier.maker", models.SET_NULL, null=True)),
        migrations.AlterField("piece", "hue", models.ForeignKey("atelier.pigment", models.SET_NULL, null=True, related_name="+")),
        migrations.AlterField("series", "pieces", models.ManyToManyField("atelier.piece", related_name="in_series", db_table="atelier_cycle")),
        migrations.AlterField("series", "pieces", models.ManyToManyField("atelier.piece", blank=True)),
    ]
