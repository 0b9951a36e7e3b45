from django.db import migrations


def name_cities(apps, schema_editor):
    apps.get_model("shop", "Warehouse").objects.filter(city="").update(city="Berlin")


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0016_order_note"),
    ]

    operations = [
        migrations.RunPython(name_cities, migrations.RunPython.noop),
    ]
