"""AlterUniqueTogether: on, more, others, off; its columns are renamed, removed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0032_validated")]
    operations = [
        migrations.AlterUniqueTogether("show", {("city", "code")}),
        migrations.AlterUniqueTogether("show", {("city", "code"), ("city", "motto")}),
        migrations.RenameField("show", "motto", "slogan"),
        migrations.AlterField("show", "slogan", models.CharField(max_length=60)),
        migrations.AlterUniqueTogether("show", {("city", "slogan")}),
        migrations.AlterUniqueTogether("tool", set()),
        migrations.AlterUniqueTogether("hanging", {("piece", "show", "wall")}),
    ]
