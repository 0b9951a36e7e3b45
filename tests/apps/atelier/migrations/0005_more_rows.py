"""RunPython: rows of relations."""

import datetime

from django.db import migrations


def fill(apps, schema_editor):
    Maker, Tool, Piece, Painting, Series, Show, Hanging = (
        apps.get_model("atelier", name)
        for name in ("Maker", "Tool", "Piece", "Painting", "Series", "Show", "Hanging")
    )
    makers, tools = list(Maker.objects.order_by("id")), list(Tool.objects.order_by("id"))
    pieces = [
        Piece._default_manager.create(
            title=f"Piece {number}", price=number * 10, made=datetime.date(1450, 1, 1 + number), maker=makers[number % 5]
        )
        for number in range(8)
    ]
    pieces += [
        Painting._default_manager.create(
            title=f"Painting {number}", price=5, made=datetime.date(1460, 1, 1), maker=makers[0], width=100 + number
        )
        for number in range(3)
    ]
    first = Series.objects.create(name="Seasons", named_after=makers[1])
    second = Series.objects.create(name="Spring", parent=first)
    first.akin.add(second)
    second.follows.add(first)
    shows = [Show.objects.create(city=city) for city in ("Florence", "Siena")]
    for number, piece in enumerate(pieces):
        piece.tools.add(tools[number % 12])
        Hanging.objects.create(piece_id=piece.pk, show=shows[number % 2], wall=f"w{number}")
        # A relation to a parent takes the parent's rows.
        first.pieces.add(piece.pk)


class Migration(migrations.Migration):
    dependencies = [("atelier", "0004_relations")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
