"""DeleteModel: with relation tables, of a child, a proxy, an unmanaged one."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("atelier", "0039_rows_and_columns")]
    operations = [
        migrations.DeleteModel("Maestro"),
        migrations.DeleteModel("Heritage"),
        migrations.DeleteModel("Entry"),
        migrations.DeleteModel("Meaning"),
        migrations.RemoveField("show", "pieces"),
        migrations.DeleteModel("Placement"),
        migrations.RunSQL("DROP MATERIALIZED VIEW atelier_counted", migrations.RunSQL.noop),
    ]
