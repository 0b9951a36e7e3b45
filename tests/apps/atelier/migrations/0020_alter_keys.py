"""AlterField: keys, with foreign keys and relation tables that point at them; identities and sequences."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0019_alter_relations")]
    operations = [
        migrations.AlterField("maker", "id", models.BigAutoField(primary_key=True)),
        migrations.AlterField("piece", "id", models.BigAutoField(primary_key=True)),
        migrations.AlterField("ticket", "id", models.AutoField(primary_key=True)),
        migrations.AlterField("show", "id", models.SmallAutoField(primary_key=True)),
        migrations.AlterField("tool", "id", models.BigIntegerField(primary_key=True)),
        migrations.AlterField("tool", "id", models.AutoField(primary_key=True)),
        migrations.AlterField("ledger", "id", models.BigAutoField(primary_key=True)),
        migrations.AlterField("ledger", "line", models.CharField(max_length=30)),
        migrations.AlterField("entry", "id", models.IntegerField(primary_key=True)),
        migrations.AlterField("entry", "id", models.AutoField(primary_key=True)),
        migrations.AlterField("pigment", "code", models.CharField(max_length=20, primary_key=True)),
        migrations.AlterField("pigment", "code", models.TextField(primary_key=True)),
        migrations.RunSQL("SELECT setval(pg_get_serial_sequence('atelier_tool', 'id'), 100)", ""),
    ]
