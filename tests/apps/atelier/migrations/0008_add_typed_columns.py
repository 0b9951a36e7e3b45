"""AddField: PostgreSQL's own types, and all of Django's."""

import datetime
import uuid

import django.contrib.postgres.fields
import django.contrib.postgres.fields.ranges
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0007_add_columns")]
    operations = [
        migrations.AddField("piece", "facts", models.JSONField(default=dict)),
        migrations.AddField("piece", "extra", models.JSONField(null=True)),
        migrations.AddField(
            "piece",
            "tags",
            django.contrib.postgres.fields.ArrayField(models.CharField(max_length=10), default=list, size=None),
        ),
        migrations.AddField(
            "piece",
            "grid",
            django.contrib.postgres.fields.ArrayField(
                django.contrib.postgres.fields.ArrayField(models.IntegerField(), size=2), null=True, size=3
            ),
        ),
        migrations.AddField("piece", "lent", django.contrib.postgres.fields.ranges.DateTimeRangeField(null=True)),
        migrations.AddField("piece", "sizes", django.contrib.postgres.fields.ranges.IntegerRangeField(null=True)),
        migrations.AddField("piece", "scan", models.BinaryField(default=b"\x00'%s")),
        migrations.AddField("piece", "drying", models.DurationField(default=datetime.timedelta(days=1, seconds=2))),
        migrations.AddField("piece", "seen_from", models.GenericIPAddressField(null=True)),
        migrations.AddField("piece", "token", models.UUIDField(default=uuid.UUID(int=5))),
        migrations.AddField("piece", "at", models.TimeField(default=datetime.time(1, 2, 3))),
        migrations.AddField("piece", "photo", models.ImageField(upload_to="photos", default="100%.png")),
        migrations.AddField("piece", "big", models.PositiveBigIntegerField(default=1 << 40)),
        migrations.AddField("piece", "url", models.URLField(default="https://example.com/?q=1;2")),
    ]
