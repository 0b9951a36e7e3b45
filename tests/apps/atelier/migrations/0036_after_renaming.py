"""RunPython: content types and permissions after models were renamed."""

from django.db import migrations


def note(apps, schema_editor):
    ContentType, Tool = apps.get_model("contenttypes", "ContentType"), apps.get_model("atelier", "Tool")
    Piece = apps.get_model("atelier", "Piece")
    for model in ("maker", "piece", "artist", "tool"):
        Tool.objects.create(
            name=f"{model} {ContentType.objects.filter(app_label='atelier', model=model).count()}", kind=f"t-{model}"
        )
    kind, _ = ContentType.objects.get_or_create(app_label="atelier", model="tool")
    Piece.objects.filter(kind=kind).update(sold=True)
    Piece.objects.filter(sold=False).update(kind=ContentType.objects.get_for_model(apps.get_model("atelier", "Show")))


class Migration(migrations.Migration):
    dependencies = [("atelier", "0035_rename_models")]
    run_before = [("annex", "0002_shelf")]
    operations = [migrations.RunPython(note, migrations.RunPython.noop)]
