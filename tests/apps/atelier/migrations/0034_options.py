"""AlterModelTable, AlterModelTableComment, AlterModelOptions, AlterModelManagers, AlterOrderWithRespectTo."""

import django.db.models.manager
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("atelier", "0033_together")]
    operations = [
        migrations.AlterOrderWithRespectTo("visit", "show"),
        migrations.AlterOrderWithRespectTo("hanging", "show"),
        migrations.AlterOrderWithRespectTo("hanging", None),
        migrations.AlterModelTableComment("maker", "Who made things, it's said"),
        migrations.AlterModelTableComment("show", "Shows"),
        migrations.AlterModelTableComment("show", None),
        migrations.AlterModelOptions("tool", {"ordering": ["-name"], "permissions": [("can_sharpen", "Can sharpen")]}),
        migrations.AlterModelManagers("piece", [("objects", django.db.models.manager.Manager())]),
        migrations.AlterModelTable("series", "atelier_suite"),
        migrations.AlterModelTable("series", "atelier Zyklus"),
        migrations.AlterModelTable("pigment", None),
        migrations.AlterModelTable("box", "box"),
        migrations.AlterModelTable("box", None),
    ]
