from django.db import migrations


def add(text):
    def add_sign(apps, schema_editor):
        apps.get_model("signs", "Sign").objects.using(schema_editor.connection.alias).create(text=text)

    return add_sign


class Migration(migrations.Migration):
    dependencies = [("signs", "0001_initial")]
    operations = [
        migrations.RunPython(add("everywhere"), migrations.RunPython.noop),
        migrations.RunPython(add("registry"), migrations.RunPython.noop, hints={"environment": "registry"}),
        migrations.RunPython(add("tenant"), migrations.RunPython.noop, hints={"environment": "tenant"}),
        migrations.RunSQL(
            "INSERT INTO signs_sign (text) VALUES ('tenant, by SQL')",
            migrations.RunSQL.noop,
            hints={"environment": "tenant"},
        ),
    ]
