"""AddField: relations, to other apps and to what all schemas share."""

from django.db import migrations, models


def relate(apps, schema_editor):
    Piece, ContentType = apps.get_model("atelier", "Piece"), apps.get_model("contenttypes", "ContentType")
    kinds = [
        ContentType.objects.get_or_create(app_label="atelier", model=model)[0] for model in ("series", "piece", "tool")
    ]
    for number, piece in enumerate(Piece._default_manager.order_by("id")):
        piece.kind, piece.sponsor_id = kinds[number % 3], 1 + number % 2
        piece.save()


class Migration(migrations.Migration):
    dependencies = [
        ("atelier", "0010_generated"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("guild", "0001_initial"),
    ]
    operations = [
        migrations.AddField("piece", "buyer", models.ForeignKey("atelier.maker", models.SET_NULL, null=True, related_name="+")),
        migrations.AddField("piece", "lead", models.ForeignKey("atelier.maker", models.CASCADE, default=1, related_name="+")),
        migrations.AddField("piece", "account", models.ForeignKey("auth.user", models.SET_NULL, null=True)),
        migrations.AddField("piece", "kind", models.ForeignKey("contenttypes.contenttype", models.CASCADE, null=True)),
        migrations.AddField("piece", "sponsor", models.ForeignKey("guild.member", models.PROTECT, null=True)),
        migrations.AddField("piece", "frame", models.OneToOneField("atelier.box", models.SET_NULL, null=True)),
        migrations.AddField(
            "piece", "pigment", models.ForeignKey("atelier.pigment", models.SET_NULL, null=True, db_constraint=False)
        ),
        migrations.AddField(
            "piece", "hue", models.ForeignKey("atelier.pigment", models.SET_NULL, null=True, to_field="name", related_name="+")
        ),
        migrations.AddField(
            "piece", "ticket", models.ForeignKey("atelier.ticket", models.SET_NULL, null=True, db_index=False)
        ),
        migrations.AddField("piece", "members", models.ManyToManyField("guild.member", related_name="pieces")),
        migrations.AddField("piece", "groups", models.ManyToManyField("auth.group", db_constraint=False)),
        migrations.AddField("ticket", "next", models.ForeignKey("self", models.CASCADE, null=True)),
        migrations.RunPython(relate, migrations.RunPython.noop),
    ]
