from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [("atelier", "0005_more_rows")]
    operations = [
        migrations.CreateModel(
            "Loan",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("piece", models.ForeignKey("atelier.piece", models.CASCADE)),
                ("makers", models.ManyToManyField("atelier.maker")),
            ],
        ),
        migrations.RunSQL("INSERT INTO annex_loan (piece_id) SELECT id FROM atelier_piece ORDER BY id", ""),
    ]
