"""RunPython outside of a transaction, in batches of their own."""

from django.db import migrations, transaction


def recount(apps, schema_editor):
    Tool = apps.get_model("atelier", "Tool")
    keys = list(Tool.objects.order_by("id").values_list("id", flat=True))
    for start in range(0, len(keys), 5):
        with transaction.atomic(using=schema_editor.connection.alias):
            for tool in Tool.objects.filter(id__in=keys[start : start + 5]).select_for_update().order_by("id"):
                tool.weight += start
                tool.save(update_fields=["weight"])
    Tool.objects.create(name="last", kind="kind-0")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("UPDATE atelier_tool SET sharp = 2 WHERE name = %s", ["last"])


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("atelier", "0026_concurrently")]
    operations = [migrations.RunPython(recount, migrations.RunPython.noop)]
