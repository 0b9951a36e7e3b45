from django.db import migrations


def make_first_rows(apps, schema_editor):
    apps.get_model("shop", "Warehouse").objects.create(code="main")
    categories = apps.get_model("shop", "Category").objects
    for name in ("Books", "Games", "Tools"):
        categories.create(name=name, slug=name.lower())


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0012_indexes"),
    ]

    operations = [
        migrations.RunPython(make_first_rows, migrations.RunPython.noop),
    ]
