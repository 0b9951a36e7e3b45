from django.db import migrations


def add_tag(apps, schema_editor):
    apps.get_model("garage", "Tag").objects.create(name="migrated", witness="")


def remove_tag(apps, schema_editor):
    apps.get_model("garage", "Tag").objects.filter(name="migrated").delete()


class Migration(migrations.Migration):
    dependencies = [("garage", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "CREATE TABLE garage_ledger (id serial PRIMARY KEY, amount integer NOT NULL, witness text NOT NULL)",
            "DROP TABLE garage_ledger",
            hints={"environment": "tenant"},
        ),
        migrations.RunPython(add_tag, remove_tag),
    ]
