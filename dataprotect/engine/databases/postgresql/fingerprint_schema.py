"""The schema of one database and the globals of a cluster, one digest per object, so that a difference has a name.

Every query yields (identity, definition). They read catalogs only; anything the server itself changes on its own
(statistics, frozen ids, locations of tablespaces) stays out.
"""

# ruff: noqa: E501, S608  these are constants, and their long lines are SQL
from __future__ import annotations

import hashlib
from collections.abc import Mapping

import psycopg

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.fingerprint_model import Lines

_USER = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
_NAME = "quote_ident(n.nspname) || '.' || quote_ident"

DATABASE_QUERIES: Mapping[str, str] = {
    "schemas": f"""
        SELECT quote_ident(n.nspname), concat_ws('|', pg_get_userbyid(n.nspowner), n.nspacl::text)
        FROM pg_namespace n WHERE {_USER}""",
    "relations": f"""
        SELECT {_NAME}(c.relname),
            concat_ws('|', c.relkind, c.relpersistence, pg_get_userbyid(c.relowner), coalesce(c.relacl::text, '-'),
            coalesce(c.reloptions::text, '-'), c.relrowsecurity, c.relforcerowsecurity, c.relreplident,
            coalesce(pg_get_expr(c.relpartbound, c.oid), '-'), coalesce(pg_get_partkeydef(c.oid), '-'),
            coalesce(t.spcname, '-'), coalesce(a.amname, '-'),
            (SELECT string_agg(i.inhparent::regclass::text, ',' ORDER BY i.inhseqno)
             FROM pg_inherits i WHERE i.inhrelid = c.oid))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace LEFT JOIN pg_am a ON a.oid = c.relam
        WHERE {_USER} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')""",
    "columns": f"""
        SELECT {_NAME}(c.relname) || '.' || quote_ident(a.attname),
            concat_ws('|', a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
            a.attgenerated, a.attstorage, a.attcompression, coalesce(a.attacl::text, '-'),
            coalesce(a.attoptions::text, '-'), coalesce(l.collname, '-'), coalesce(pg_get_expr(d.adbin, d.adrelid), '-'))
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        LEFT JOIN pg_collation l ON l.oid = a.attcollation
        WHERE {_USER} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND a.attnum > 0 AND NOT a.attisdropped""",
    "constraints": f"""
        SELECT coalesce({_NAME}(c.relname), 'domain') || '.' || quote_ident(k.conname) || '#' || k.contypid,
            concat_ws('|', pg_get_constraintdef(k.oid), k.convalidated)
        FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid
        JOIN pg_namespace n ON n.oid = k.connamespace WHERE {_USER}""",
    "indexes": f"""
        SELECT {_NAME}(c.relname),
            concat_ws('|', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered, i.indisreplident,
            coalesce(t.spcname, '-'))
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE {_USER}""",
    "views": f"""
        SELECT {_NAME}(c.relname), concat_ws('|', c.relispopulated, pg_get_viewdef(c.oid))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_USER} AND c.relkind IN ('v', 'm')""",
    "functions": f"""
        SELECT {_NAME}(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')',
            concat_ws('|', p.prokind, pg_get_userbyid(p.proowner), coalesce(p.proacl::text, '-'),
            CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE
                (SELECT to_jsonb(g)::text FROM pg_aggregate g WHERE g.aggfnoid = p.oid) END)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {_USER}""",
    "triggers": f"""
        SELECT {_NAME}(c.relname) || '.' || quote_ident(t.tgname),
            concat_ws('|', pg_get_triggerdef(t.oid), t.tgenabled)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_USER} AND NOT t.tgisinternal""",
    "event triggers": """
        SELECT quote_ident(evtname), concat_ws('|', evtevent, evtfoid::regproc, evtenabled, evttags::text,
            pg_get_userbyid(evtowner)) FROM pg_event_trigger""",
    "rules": f"""
        SELECT {_NAME}(c.relname) || '.' || quote_ident(r.rulename), concat_ws('|', pg_get_ruledef(r.oid), r.ev_enabled)
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_USER} AND r.rulename <> '_RETURN'""",
    "policies": f"""
        SELECT {_NAME}(c.relname) || '.' || quote_ident(p.polname),
            concat_ws('|', p.polcmd, p.polpermissive, p.polroles::regrole[]::text,
            coalesce(pg_get_expr(p.polqual, p.polrelid), '-'), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '-'))
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_USER}""",
    "sequences": f"""
        SELECT {_NAME}(c.relname), concat_ws('|', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement,
            s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_USER}""",
    "types": f"""
        SELECT {_NAME}(t.typname), concat_ws('|', t.typtype, pg_get_userbyid(t.typowner),
            coalesce(t.typacl::text, '-'), t.typnotnull, coalesce(t.typdefault, '-'),
            CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
            (SELECT string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder)
             FROM pg_enum e WHERE e.enumtypid = t.oid))
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE {_USER} AND t.typcategory <> 'A' AND (t.typrelid = 0 OR c.relkind = 'c')""",
    "operators": f"""
        SELECT o.oid::regoperator::text, concat_ws('|', o.oprcode, o.oprresult::regtype, pg_get_userbyid(o.oprowner))
        FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE {_USER}""",
    "casts": """
        SELECT format_type(castsource, NULL) || ' AS ' || format_type(casttarget, NULL),
            concat_ws('|', castfunc::regproc, castcontext, castmethod) FROM pg_cast WHERE oid >= 16384""",
    "extensions": """
        SELECT quote_ident(e.extname), concat_ws('|', e.extversion, n.nspname, pg_get_userbyid(e.extowner))
        FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace""",
    "extended statistics": f"""
        SELECT {_NAME}(s.stxname), pg_get_statisticsobjdef(s.oid)
        FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE {_USER}""",
    "collations": f"""
        SELECT {_NAME}(c.collname), (to_jsonb(c) - 'collversion')::text
        FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE {_USER}""",
    "text search": f"""
        SELECT {_NAME}(t.cfgname), to_jsonb(t)::text
        FROM pg_ts_config t JOIN pg_namespace n ON n.oid = t.cfgnamespace WHERE {_USER}""",
    "publications": """
        SELECT quote_ident(p.pubname), concat_ws('|', to_jsonb(p)::text,
            (SELECT string_agg(to_jsonb(r)::text, ',' ORDER BY r.oid) FROM pg_publication_rel r WHERE r.prpubid = p.oid),
            (SELECT string_agg(s.pnnspid::regnamespace::text, ',' ORDER BY s.oid)
             FROM pg_publication_namespace s WHERE s.pnpubid = p.oid))
        FROM pg_publication p""",
    "subscriptions": """
        SELECT quote_ident(s.subname), concat_ws('|', pg_get_userbyid(s.subowner), s.subenabled, s.subpublications::text)
        FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()""",
    "foreign servers": """
        SELECT quote_ident(s.srvname), concat_ws('|', w.fdwname, s.srvtype, s.srvversion, pg_get_userbyid(s.srvowner),
            coalesce(s.srvacl::text, '-'))
        FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw""",
    "default privileges": """
        SELECT concat_ws('.', pg_get_userbyid(d.defaclrole), d.defaclnamespace::regnamespace, d.defaclobjtype),
            d.defaclacl::text FROM pg_default_acl d""",
    "comments": """
        SELECT coalesce(pg_describe_object(d.classoid, d.objoid, d.objsubid), d.objoid::text), d.description
        FROM pg_description d WHERE d.objoid >= 16384""",
}

CLUSTER_QUERIES: Mapping[str, str] = {
    "roles": "SELECT quote_ident(rolname), to_jsonb(r)::text FROM pg_roles r",
    "memberships": """
        SELECT pg_get_userbyid(m.member) || ' in ' || pg_get_userbyid(m.roleid) || ' by ' || pg_get_userbyid(m.grantor),
            (to_jsonb(m) - 'oid')::text FROM pg_auth_members m""",
    "passwords": "SELECT quote_ident(rolname), coalesce(rolpassword, '-') FROM pg_authid",
    "role and database settings": """
        SELECT concat_ws(' in ', CASE WHEN s.setrole = 0 THEN 'all roles' ELSE pg_get_userbyid(s.setrole) END,
            coalesce(d.datname, 'all databases')), s.setconfig::text
        FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase""",
    "tablespaces": "SELECT quote_ident(spcname), to_jsonb(t)::text FROM pg_tablespace t",
    "databases": """
        SELECT quote_ident(datname),
            (to_jsonb(d) - 'datfrozenxid' - 'datminmxid' - 'datcollversion' - 'dathasloginevt')::text
        FROM pg_database d""",
    "parameter privileges": "SELECT parname, paracl::text FROM pg_parameter_acl",
}


def capture(connection: Connection, queries: Mapping[str, str]) -> dict[str, Lines]:
    """Digests by category and identity. A category the user may not read is left out, not left empty."""
    found: dict[str, Lines] = {}
    for category, query in queries.items():
        lines = _lines(connection, query)
        if lines is not None:
            found[category] = lines
    return found


def differences(one: Mapping[str, Lines], other: Mapping[str, Lines]) -> dict[str, tuple[str, str]]:
    """`"indexes public.orders_pkey" -> (expected, found)`, over the categories that both sides have."""
    result: dict[str, tuple[str, str]] = {}
    for category in one.keys() & other.keys():
        ours, theirs = one[category], other[category]
        for identity in ours.keys() | theirs.keys():
            pair = ours.get(identity, "missing"), theirs.get(identity, "missing")
            if pair[0] != pair[1]:
                result[f"{category} {identity}"] = pair
    return dict(sorted(result.items()))


def checksum(lines: Mapping[str, Lines], categories: frozenset[str] | None = None) -> str:
    """One SHA-256 (first 128 bits, hex) over all categories, in order."""
    state = hashlib.sha256()
    for category in sorted(lines if categories is None else categories & lines.keys()):
        for identity, value in sorted(lines[category].items()):
            state.update(f"{category}\0{identity}\0{value}\n".encode())
    return state.hexdigest()[:32]


def _lines(connection: Connection, query: str) -> Lines | None:
    lines: Lines = {}
    try:
        with connection.transaction(), connection.cursor(name="dataprotect_schema") as cursor:
            cursor.execute(query.encode())
            for identity, definition in cursor:
                digest = hashlib.sha256((definition or "").encode()).hexdigest()[:32]
                lines[identity] = digest if identity not in lines else _merged(lines[identity], digest)
    except psycopg.errors.InsufficientPrivilege:
        return None
    return lines


def _merged(one: str, other: str) -> str:
    """Two objects of one identity: their digests in an order that does not depend on the scan's."""
    return hashlib.sha256("".join(sorted((one, other))).encode()).hexdigest()[:32]
