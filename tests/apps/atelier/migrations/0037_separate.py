"""SeparateDatabaseAndState, and operations of the project's own."""

from django.db import migrations, models

from tests.apps.atelier.operations import CopyColumn, Polish


class Migration(migrations.Migration):
    dependencies = [("atelier", "0036_after_renaming")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE atelier_show ADD COLUMN curator varchar(20) NOT NULL DEFAULT 'nobody'",
                    "ALTER TABLE atelier_show DROP COLUMN curator",
                )
            ],
            state_operations=[migrations.AddField("show", "curator", models.CharField(max_length=20, default="nobody"))],
        ),
        migrations.AlterField("show", "curator", models.CharField(max_length=30, db_index=True)),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField("show", "code")],
            database_operations=[migrations.AlterField("show", "code", models.CharField(max_length=25, null=True))],
        ),
        CopyColumn("tool", "name", "copy"),
        Polish("tool"),
    ]
