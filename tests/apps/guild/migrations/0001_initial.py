from django.db import migrations, models


def enroll(apps, schema_editor):
    Member = apps.get_model("guild", "Member")
    Member.objects.using(schema_editor.connection.alias).bulk_create([Member(name="Cennini"), Member(name="Vasari")])


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Member",
            [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=40))],
        ),
        migrations.RunPython(enroll, migrations.RunPython.noop),
    ]
