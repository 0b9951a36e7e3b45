"""Rebuilding: a table made anew with columns that number themselves changed, which Citus alters in no table.

One statement, which reads from the catalog what the table is, so that it is the same in every schema and may be sent to
many. What it leaves is what PostgreSQL's own ALTER TABLE would: the names, rows, rights and comments, and where the
sequences stand. It is part of the transaction that is open.
"""

import json
from dataclasses import asdict, dataclass

from ...identifiers import literal

__all__ = ["Column", "rebuild_sql"]


@dataclass(frozen=True, slots=True)
class Column:
    """What becomes of a column.

    Attributes:
        type: its new type, as SQL.
        identity: whether it numbers itself then: as before if it did, serial columns too, else as an identity.
        sequence: what its sequence is to be called, if it has none yet.
        added: whether it is a new one.
    """

    type: str
    identity: bool
    sequence: str = ""
    added: bool = False


# {table} and {changes} are literals. Names that are looked up are those of the catalog, and of the table's own schema.
_REBUILD = """DO $rebuild$
DECLARE
    old regclass := {table};
    changes jsonb := {changes};
    home text; own text; fresh text; columns text; written text; read text; kind text; added text; each text;
    before text[]; behind text[]; numbered record; positions jsonb := '{{}}'; sequence text; number int;
BEGIN
    -- What others have written is in it then, and nobody writes what would be lost.
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', old);
    SELECT n.nspname, c.relname, 'rebuilt_' || md5(c.relname) INTO home, own, fresh
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = old;
    IF EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = old AND NOT tgisinternal)
        OR EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = old)
        OR EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = old)
        OR EXISTS (SELECT FROM pg_catalog.pg_statistic_ext WHERE stxrelid = old)
        OR EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE old IN (inhrelid, inhparent))
        OR EXISTS (SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = d.classid AND d.refobjid = old
              AND d.deptype = 'a' AND d.objid IN (SELECT seqrelid FROM pg_catalog.pg_sequence)
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef v JOIN pg_catalog.pg_depend n
                  ON n.classid = 'pg_catalog.pg_attrdef'::regclass AND n.objid = v.oid
                  WHERE v.adrelid = old AND v.adnum = d.refobjsubid AND n.refobjid = d.objid))
        OR EXISTS (SELECT FROM pg_catalog.pg_class
            WHERE oid = old AND (relrowsecurity OR relreplident <> 'd' OR relpersistence <> 'p')) THEN
        RAISE EXCEPTION 'table % can''t be made anew, since it has triggers, rules, policies, row security, '
            'partitions, statistics, a replica identity or sequences of its own, or is not logged', old
            USING ERRCODE = 'feature_not_supported', HINT = 'Drop them in the migration before, and make them behind.';
    END IF;

    SELECT CASE WHEN p.repmodel = 't' THEN 'shared' WHEN p.colocationid <> 0 THEN 'distributed' ELSE 'local' END
    INTO kind FROM pg_catalog.pg_dist_partition p WHERE p.logicalrelid = old;

    SELECT string_agg(concat_ws(' ', quote_ident(a.attname),
               CASE WHEN s.deptype = 'a' AND coalesce((changes -> a.attname ->> 'identity')::bool, true)
                   THEN CASE coalesce(changes -> a.attname ->> 'type', t.typname)
                   WHEN 'smallint' THEN 'smallserial' WHEN 'int2' THEN 'smallserial'
                   WHEN 'integer' THEN 'serial' WHEN 'int4' THEN 'serial' ELSE 'bigserial' END
                    ELSE coalesce(changes -> a.attname ->> 'type', format_type(a.atttypid, a.atttypmod)) END,
               CASE WHEN a.attcollation <> t.typcollation AND NOT changes ? a.attname
                   THEN 'COLLATE ' || a.attcollation::regcollation::text END,
               CASE WHEN s.deptype = 'a' THEN NULL
                    WHEN coalesce((changes -> a.attname ->> 'identity')::bool, a.attidentity <> '') THEN
                   concat('GENERATED ', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, ' AS IDENTITY',
                       ' (START ' || q.seqstart || ' INCREMENT ' || q.seqincrement || ' CACHE ' || q.seqcache
                       || CASE WHEN q.seqmax NOT IN (32767, 2147483647, 9223372036854775807)
                           THEN ' MAXVALUE ' || q.seqmax ELSE '' END
                       || CASE WHEN q.seqmin = 1 OR q.seqincrement < 0
                           AND q.seqmin IN (-32768, -2147483648, -9223372036854775808)
                           THEN '' ELSE ' MINVALUE ' || q.seqmin END
                       || CASE WHEN q.seqcycle THEN ' CYCLE)' ELSE ')' END)
                    WHEN a.attgenerated <> '' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') '
                        || CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END
                    ELSE 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END,
               'CONSTRAINT ' || quote_ident(k.conname), CASE WHEN a.attnotnull THEN 'NOT NULL' END), ', '
               ORDER BY a.attnum),
           string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.attgenerated = ''),
           string_agg(quote_ident(a.attname) || coalesce('::' || (changes -> a.attname ->> 'type'), ''), ', '
               ORDER BY a.attnum) FILTER (WHERE a.attgenerated = '')
    INTO columns, written, read
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = old AND d.adnum = a.attnum
    LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = old AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]
    LEFT JOIN (pg_catalog.pg_depend s JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.objid)
        ON s.classid = 'pg_catalog.pg_class'::regclass AND s.refclassid = s.classid AND s.refobjid = old
        AND s.refobjsubid = a.attnum AND s.deptype IN ('a', 'i')
    WHERE a.attrelid = old AND a.attnum > 0 AND NOT a.attisdropped;
    SELECT string_agg(
        concat_ws(' ', quote_ident(c.key), c.value ->> 'type', 'NOT NULL GENERATED BY DEFAULT AS IDENTITY'), ', ')
    INTO added FROM jsonb_each(changes) c WHERE (c.value ->> 'added')::bool;

    before := ARRAY(SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
        FROM pg_catalog.pg_constraint
        WHERE contype = 'f' AND confrelid = old AND conrelid <> old AND conparentid = 0 ORDER BY oid);
    behind := ARRAY(
        SELECT format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', home, own, conname, pg_get_constraintdef(oid))
        FROM pg_catalog.pg_constraint
        WHERE conrelid = old AND contype IN ('c', 'f', 'p', 'u', 'x') ORDER BY contype = 'f', oid)
    || ARRAY(
        SELECT pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i
        WHERE i.indrelid = old AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
            WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) ORDER BY i.indexrelid)
    || ARRAY(
        SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
        FROM pg_catalog.pg_constraint
        WHERE contype = 'f' AND confrelid = old AND conrelid <> old AND conparentid = 0 ORDER BY oid)
    || ARRAY(
        SELECT format('COMMENT ON %s IS %L', o.what, o.said) FROM (
            SELECT CASE d.objsubid WHEN 0 THEN format('TABLE %I.%I', home, own)
                        ELSE format('COLUMN %I.%I.%I', home, own, a.attname) END, d.description
            FROM pg_catalog.pg_description d
            LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0
            WHERE d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = old
            UNION ALL
            SELECT format('CONSTRAINT %I ON %I.%I', k.conname, home, own), d.description
            FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_description d
                ON d.classoid = 'pg_catalog.pg_constraint'::regclass AND d.objoid = k.oid WHERE k.conrelid = old
            UNION ALL
            SELECT format('CONSTRAINT %I ON %s', k.conname, k.conrelid::regclass), d.description
            FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_description d
                ON d.classoid = 'pg_catalog.pg_constraint'::regclass AND d.objoid = k.oid
            WHERE k.confrelid = old AND k.conrelid <> old
            UNION ALL
            SELECT format('INDEX %I.%I', home, c.relname), d.description
            FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
            JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = c.oid
            WHERE i.indrelid = old) AS o (what, said))
    || ARRAY(
        SELECT format('ALTER TABLE %I.%I SET (%s)', home, own, array_to_string(c.reloptions, ', '))
        FROM pg_catalog.pg_class c WHERE c.oid = old AND c.reloptions IS NOT NULL)
    || ARRAY(
        SELECT format('GRANT %s ON %I.%I TO %s%s', a.privilege_type, home, own,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
            CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END)
        FROM pg_catalog.pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
        WHERE c.oid = old AND a.grantee <> c.relowner)
    || ARRAY(
        SELECT format('GRANT %s (%I) ON %I.%I TO %s%s', a.privilege_type, c.attname, home, own,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
            CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END)
        FROM pg_catalog.pg_attribute c CROSS JOIN LATERAL aclexplode(c.attacl) a
        WHERE c.attrelid = old AND c.attnum > 0 AND NOT c.attisdropped)
    || ARRAY(
        SELECT format('ALTER TABLE %I.%I OWNER TO %I', home, own, pg_get_userbyid(c.relowner))
        FROM pg_catalog.pg_class c WHERE c.oid = old AND pg_get_userbyid(c.relowner) <> current_user);

    -- The name of each sequence that stays, where it stands, and who may use it.
    FOR numbered IN
        SELECT a.attname, s.relname, s.oid, s.oid::regclass::text AS path, s.relacl, s.relowner
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
        JOIN pg_catalog.pg_attribute a ON a.attrelid = old AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = d.classid AND d.refobjid = old
          AND d.deptype IN ('a', 'i') AND coalesce((changes -> a.attname ->> 'identity')::bool, true)
    LOOP
        EXECUTE format('SELECT %L::jsonb || jsonb_build_object(%L, jsonb_build_array(%L::text, last_value, is_called))'
            ' FROM %s', positions, numbered.attname, numbered.relname, numbered.path) INTO positions;
        behind := behind || ARRAY(
            SELECT format('GRANT %s ON SEQUENCE %I.%I TO %s', a.privilege_type, home, numbered.relname,
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
            FROM aclexplode(numbered.relacl) a WHERE a.grantee <> numbered.relowner);
    END LOOP;

    FOREACH each IN ARRAY before LOOP EXECUTE each; END LOOP;
    EXECUTE format('CREATE TABLE %I.%I (%s)', home, fresh, concat_ws(', ', columns, added));
    -- Citus alters no sequence of a table that it knows.
    FOR each IN
        SELECT concat_ws(' ', 'ALTER SEQUENCE', pg_get_serial_sequence(format('%I.%I', home, fresh), a.attname),
            'START', q.seqstart, 'INCREMENT', q.seqincrement, 'MINVALUE', q.seqmin,
            CASE WHEN q.seqmax NOT IN (32767, 2147483647, 9223372036854775807) THEN 'MAXVALUE ' || q.seqmax END,
            'CACHE', q.seqcache, CASE WHEN NOT q.seqcycle THEN 'NO' END, 'CYCLE RESTART')
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_sequence q ON q.seqrelid = d.objid
        JOIN pg_catalog.pg_attribute a ON a.attrelid = old AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = d.classid AND d.refobjid = old
          AND d.deptype = 'a' AND coalesce((changes -> a.attname ->> 'identity')::bool, true)
    LOOP EXECUTE each; END LOOP;
    -- What is made within a statement Citus leaves where it is.
    IF kind = 'distributed' THEN
        PERFORM create_distributed_table(
            format('%I.%I', home, fresh), NULL, colocate_with => format('%I.%I', home, own));
    ELSIF kind = 'shared' THEN
        PERFORM create_reference_table(format('%I.%I', home, fresh)::regclass);
    ELSIF kind = 'local' THEN
        PERFORM citus_add_local_table_to_metadata(format('%I.%I', home, fresh)::regclass);
    END IF;
    EXECUTE format('INSERT INTO %I.%I (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s', home, fresh, written, read, old);
    EXECUTE format('DROP TABLE %s', old);
    EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', home, fresh, own);
    FOR numbered IN SELECT key AS attname, value ->> 0 AS relname, value ->> 1 AS last, value ->> 2 AS called
        FROM jsonb_each(positions)
        UNION ALL
        SELECT key, value ->> 'sequence', NULL, NULL FROM jsonb_each(changes)
        WHERE (value ->> 'identity')::bool AND NOT positions ? key
    LOOP
        sequence := numbered.relname; number := 0;
        WHILE to_regclass(format('%I.%I', home, sequence)) IS NOT NULL LOOP
            number := number + 1;
            sequence := CASE WHEN octet_length(numbered.relname || number) > 63
                THEN left(numbered.relname, -length(number::text)) ELSE numbered.relname END || number;
        END LOOP;
        EXECUTE format('ALTER SEQUENCE %s RENAME TO %I',
            pg_get_serial_sequence(format('%I.%I', home, own), numbered.attname), sequence);
        IF numbered.last IS NOT NULL THEN
            PERFORM setval(format('%I.%I', home, sequence)::regclass, numbered.last::bigint, numbered.called::bool);
        END IF;
    END LOOP;
    FOREACH each IN ARRAY behind LOOP EXECUTE each; END LOOP;
END $rebuild$"""


def rebuild_sql(table: str, changes: dict[str, Column]) -> str:
    """The statement that makes a table anew.

    Args:
        table: its name, quoted, and with its schema if search_path does not tell.
        changes: columns by their names.
    """
    found = {name: asdict(column) for name, column in changes.items()}
    return _REBUILD.format(table=f"{literal(table)}::regclass", changes=f"{literal(json.dumps(found))}::jsonb")
