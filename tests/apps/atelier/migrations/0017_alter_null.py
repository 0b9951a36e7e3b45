"""AlterField: null to not null with a default, kept and not, and back; with the type at once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0016_alter_types")]
    operations = [
        migrations.AlterField("maker", "motto", models.TextField(default="Ars longa")),
        migrations.AlterField("maker", "nickname", models.CharField(max_length=8, null=True)),
        migrations.AlterField("maker", "nickname", models.CharField(max_length=8, default="O'%s"), preserve_default=False),
        migrations.AlterField("maker", "folded", models.CharField(max_length=30, null=True)),
        migrations.AlterField("tool", "bought", models.CharField(max_length=20, default="never"), preserve_default=False),
        migrations.AlterField("tool", "barcode", models.SlugField(null=True)),
        migrations.AlterField("tool", "keeper", models.ForeignKey("atelier.maker", models.CASCADE, default=1)),
        migrations.AlterField("tool", "keeper", models.ForeignKey("atelier.maker", models.SET_NULL, null=True)),
        migrations.AlterField("show", "seats", models.IntegerField(db_default=40, null=True)),
        migrations.AlterField("show", "seats", models.IntegerField(db_default=41)),
    ]
