"""AddIndex: of columns, expressions, parts, with other columns and operator classes, of each kind."""

import django.contrib.postgres.indexes
from django.db import migrations, models
from django.db.models.functions import Lower, Upper


class Migration(migrations.Migration):
    dependencies = [("atelier", "0022_alter_defaults")]
    operations = [
        migrations.AddIndex("tool", models.Index(fields=["name", "-grams"], name="tool_name_grams")),
        migrations.AddIndex("tool", models.Index(Lower("name").desc(), "grams", name="tool_lower")),
        migrations.AddIndex("tool", models.Index(fields=["name"], condition=models.Q(sharp=1), name="tool_sharp")),
        migrations.AddIndex("tool", models.Index(fields=["name"], include=["grams", "keeper"], name="tool_cover")),
        migrations.AddIndex("tool", models.Index(fields=["name"], opclasses=["varchar_pattern_ops"], name="tool_like")),
        migrations.AddIndex(
            "tool",
            models.Index(
                django.contrib.postgres.indexes.OpClass(Upper("name"), name="text_pattern_ops"), name="tool_upper_like"
            ),
        ),
        migrations.AddIndex("piece", django.contrib.postgres.indexes.GinIndex(fields=["tags"], name="piece_tags")),
        migrations.AddIndex(
            "piece",
            django.contrib.postgres.indexes.GinIndex(
                fields=["data"], opclasses=["jsonb_path_ops"], fastupdate=False, name="piece_data"
            ),
        ),
        migrations.AddIndex(
            "piece", django.contrib.postgres.indexes.BrinIndex(fields=["made"], pages_per_range=4, name="piece_made")
        ),
        migrations.AddIndex("piece", django.contrib.postgres.indexes.HashIndex(fields=["url"], name="piece_url")),
        migrations.AddIndex("piece", django.contrib.postgres.indexes.GistIndex(fields=["lent"], name="piece_lent")),
        migrations.AddIndex("piece", django.contrib.postgres.indexes.SpGistIndex(fields=["lent"], name="piece_lent_sp")),
        migrations.AddIndex(
            "piece", django.contrib.postgres.indexes.BTreeIndex(fields=["price"], fillfactor=70, name="piece_price")
        ),
        migrations.AddIndex("painting", models.Index(fields=["width"], name="painting_width")),
    ]
