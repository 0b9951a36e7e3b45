"""What is done by hand between migrations, in the reference and in schemas alike: rows, and drift."""

__all__ = ["DRIFT", "rows_at"]

_ROWS = {
    "atelier.0002_first_rows": """
        INSERT INTO atelier_maker (name, email, apprentices) SELECT 'hand ' || n, n || '@example.com', n
        FROM generate_series(10, 13) n;
        INSERT INTO atelier_tool (name, kind) VALUES ('by hand', 'kind-hand');
    """,
    "atelier.0006_raw_sql": """
        INSERT INTO atelier_piece (title, price, made, sold, maker_id)
        SELECT 'by hand ' || n, n, '1470-01-01', true, min(id) FROM generate_series(1, 3) n, atelier_maker
        GROUP BY n ORDER BY n;
        INSERT INTO atelier_legacy (note) VALUES ('by hand');
        INSERT INTO atelier_ledger (line) VALUES ('by hand');
    """,
    "atelier.0009_database_defaults": "INSERT INTO atelier_show (city) VALUES ('Lucca');",
    "atelier.0011_add_relations": """
        INSERT INTO atelier_piece_members (piece_id, member_id) SELECT id, 1 FROM atelier_piece;
        INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff, is_active,
                               date_joined)
        VALUES ('ada', '', '', '', '', true, true, true, '2020-01-01');
        UPDATE atelier_piece SET account_id = (SELECT id FROM auth_user LIMIT 1), pigment_id = 'PR1', hue_id = 'Red 2';
        INSERT INTO auth_user_user_permissions (user_id, permission_id)
        SELECT (SELECT max(id) FROM auth_user), p.id FROM auth_permission p
        WHERE p.codename LIKE 'add%' AND p.codename <> 'add_member' ORDER BY p.codename;
    """,
    "atelier.0016_alter_types": """
        INSERT INTO atelier_tool (name, kind, grams, sharp, barcode) VALUES ('second hand', 'x', 7, 1, '');
        UPDATE atelier_piece SET hue_id = NULL;
    """,
    "atelier.0034_options": "INSERT INTO atelier_visit (show_id, at, _order) VALUES (1, '1502-01-01', 0);",
    "annex.0002_shelf": "INSERT INTO annex_shelf (name) VALUES ('by hand');",
    "atelier.0041_again": """
        INSERT INTO atelier_artist (full_name, address, motto, nickname, sorted, apprentices)
        VALUES ('Z', 'z', '', '', '', 0);
    """,
}

DRIFT = """
    DO $body$
    DECLARE found record;
    BEGIN
        FOR found IN SELECT conrelid::regclass::text AS table_name, conname FROM pg_constraint
            WHERE connamespace = current_schema()::regnamespace AND conrelid <> 0 AND contype IN ('c', 'f', 'u')
                AND conrelid::regclass::text ~ '^atelier_' AND conname <> 'maker_named'
        LOOP
            EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', found.table_name, found.conname,
                           'k_' || left(md5(found.conname), 9));
        END LOOP;
        FOR found IN SELECT c.relname FROM pg_class c
            WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('i', 'S')
                AND c.relname ~ '^atelier_' AND c.relname !~ '_like$'
        LOOP
            EXECUTE format('ALTER TABLE %I RENAME TO %I', found.relname, 'i_' || left(md5(found.relname), 9));
        END LOOP;
        FOR found IN SELECT c.relname FROM pg_class c
            WHERE c.relnamespace = current_schema()::regnamespace AND c.relname ~ '^atelier_maker_.*_like$'
        LOOP
            EXECUTE format('DROP INDEX %I', found.relname);
        END LOOP;
    END
    $body$;
    ALTER TABLE atelier_piece ADD COLUMN was date;
    UPDATE atelier_piece SET was = made;
    ALTER TABLE atelier_piece ALTER COLUMN was SET NOT NULL, DROP COLUMN made;
    ALTER TABLE atelier_piece RENAME COLUMN was TO made;
    ALTER TABLE atelier_maker ADD COLUMN hobby text;
"""
"""What an adopted database has that Django's migrations did not make: other names of constraints, indexes, sequences;
another order of columns; one more; indexes that are gone.
"""


def rows_at(point: str) -> str | None:
    """SQL that puts rows into tables that are at a point, if that is one where it is done."""
    return _ROWS.get(point)
