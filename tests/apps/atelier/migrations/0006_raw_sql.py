"""RunSQL: types, functions, triggers, views, sequences, rows; tables as older Django made them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atelier", "0005_more_rows")]
    operations = [
        migrations.RunSQL(
            "CREATE TYPE atelier_state AS ENUM ('sketched', 'done', 'sold')", "DROP TYPE atelier_state"
        ),
        migrations.RunSQL(
            ["CREATE DOMAIN atelier_size AS integer CHECK (VALUE > 0)", ("CREATE SEQUENCE atelier_numbers START %s" % 7)],
            ["DROP DOMAIN atelier_size", "DROP SEQUENCE atelier_numbers"],
        ),
        migrations.RunSQL(
            """
            CREATE TABLE atelier_legacy (
                id integer PRIMARY KEY DEFAULT nextval('atelier_numbers'),
                note text NOT NULL,
                state atelier_state NOT NULL DEFAULT 'sketched',
                size atelier_size
            ) WITH (fillfactor = 80);
            INSERT INTO atelier_legacy (note) VALUES ('one; two'), ('100%');
            CREATE VIEW atelier_sketched AS SELECT l.id, l.note FROM atelier_legacy l WHERE l.state = 'sketched';
            CREATE MATERIALIZED VIEW atelier_counted AS SELECT state, count(*) AS n FROM atelier_legacy GROUP BY state;
            CREATE UNIQUE INDEX atelier_counted_state ON atelier_counted (state);
            """,
            "DROP MATERIALIZED VIEW atelier_counted; DROP VIEW atelier_sketched; DROP TABLE atelier_legacy",
        ),
        migrations.RunSQL(
            """
            CREATE FUNCTION atelier_shout() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                NEW.note := upper(NEW.note);
                RETURN NEW;
            END
            $body$;
            CREATE TRIGGER atelier_shouts BEFORE UPDATE ON atelier_legacy
                FOR EACH ROW EXECUTE FUNCTION atelier_shout();
            """,
            "DROP TRIGGER atelier_shouts ON atelier_legacy; DROP FUNCTION atelier_shout()",
        ),
        migrations.RunSQL(
            [("UPDATE atelier_legacy SET size = %s WHERE note = %s", [4, "100%"])], migrations.RunSQL.noop
        ),
        migrations.RunSQL(
            """
            CREATE TABLE atelier_ledger (id serial PRIMARY KEY, line varchar(20) NOT NULL);
            CREATE TABLE atelier_entry (id bigserial PRIMARY KEY, ledger_id integer NOT NULL
                CONSTRAINT entry_of_ledger REFERENCES atelier_ledger DEFERRABLE INITIALLY DEFERRED);
            CREATE INDEX entry_ledger ON atelier_entry (ledger_id);
            INSERT INTO atelier_ledger (line) SELECT 'line ' || n FROM generate_series(1, 5) n;
            INSERT INTO atelier_entry (ledger_id) SELECT id FROM atelier_ledger;
            """,
            "DROP TABLE atelier_entry; DROP TABLE atelier_ledger",
            state_operations=[
                migrations.CreateModel(
                    "Ledger",
                    [("id", models.AutoField(primary_key=True)), ("line", models.CharField(max_length=20))],
                ),
                migrations.CreateModel(
                    "Entry",
                    [
                        ("id", models.BigAutoField(primary_key=True)),
                        ("ledger", models.ForeignKey("atelier.ledger", models.CASCADE)),
                    ],
                ),
            ],
        ),
    ]
