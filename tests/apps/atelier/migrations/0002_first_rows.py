"""RunPython and RunSQL: rows that everything later meets."""

import datetime
import uuid

from django.db import migrations


def fill(apps, schema_editor):
    Maker, Tool, Pigment, Ticket = (apps.get_model("atelier", name) for name in ("Maker", "Tool", "Pigment", "Ticket"))
    makers = [
        Maker.objects.create(
            name=f"Maker {number}", email=f"maker{number}@example.com", born=datetime.date(1400 + number, 1, 2)
        )
        for number in range(5)
    ]
    Tool.objects.bulk_create(
        Tool(name=f"tool {number}", kind=f"kind-{number % 3}", owner=makers[number % 5] if number % 4 else None)
        for number in range(12)
    )
    Pigment.objects.bulk_create(Pigment(code=f"PR{number}", name=f"Red {number}") for number in range(4))
    Ticket.objects.bulk_create(Ticket(key=uuid.UUID(int=number), number=number) for number in range(6))


class Migration(migrations.Migration):
    dependencies = [
        ("atelier", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        # Content types and permissions have other numbers in each schema: who keeps those of one is wrong in another.
        migrations.RunSQL(
            """
            SELECT setval(pg_get_serial_sequence('django_content_type', 'id'), 1000 + abs(hashtext(current_schema())) % 997 * 50);
            SELECT setval(pg_get_serial_sequence('auth_permission', 'id'), 1000 + abs(hashtext(current_schema())) % 991 * 200);
            """,
            "",
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
