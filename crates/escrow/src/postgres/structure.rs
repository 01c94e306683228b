//! Whether the tables are as the migrations make them.

use super::session::Session;
use crate::EscrowError;

/// What the catalogs say of our schema when all migrations have run; a test writes it.
pub(super) const EXPECTED: &str = include_str!("../../migrations/postgres/structure.txt");

/// Every object of the schema with its definition, one in a line; and whatever weakens it: a table whose rows are not
/// logged or not all shown, a constraint that is not enforced.
const CATALOG: &str = "
    SELECT 'table ' || c.relname || CASE WHEN c.relkind = 'r' THEN '' ELSE ' of kind ' || c.relkind::text END
        || CASE WHEN c.relpersistence = 'p' THEN '' ELSE ' unlogged' END
        || CASE WHEN c.relrowsecurity OR c.relforcerowsecurity THEN ' with row security' ELSE '' END
    FROM pg_class c WHERE c.relnamespace = 'oathburn'::regnamespace AND c.relkind NOT IN ('i', 'I', 'S', 't')
    UNION ALL
    SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        || coalesce(' collate ' || nullif(l.collname, 'default'), '')
        || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
        || CASE WHEN a.attidentity = '' THEN '' ELSE ' identity ' || a.attidentity::text END
        || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'oathburn'::regnamespace AND c.relkind NOT IN ('i', 'I', 'S', 't') AND a.attnum > 0
        AND NOT a.attisdropped
    UNION ALL
    SELECT 'constraint ' || c.relname || '.' || k.conname || ' ' || pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.connamespace = 'oathburn'::regnamespace AND k.contype <> 'n'
    UNION ALL
    SELECT 'index ' || pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'oathburn'::regnamespace
    UNION ALL
    SELECT 'trigger ' || c.relname || '.' || CASE WHEN t.tgisinternal THEN 'constraint' ELSE t.tgname END
        || ' ' || t.tgenabled::text
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'oathburn'::regnamespace AND (NOT t.tgisinternal OR t.tgenabled <> 'O')
    UNION ALL
    SELECT 'rule ' || c.relname || '.' || r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE c.relnamespace = 'oathburn'::regnamespace
    UNION ALL
    SELECT 'policy ' || c.relname || '.' || p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    WHERE c.relnamespace = 'oathburn'::regnamespace
    UNION ALL
    SELECT 'function ' || p.proname FROM pg_proc p WHERE p.pronamespace = 'oathburn'::regnamespace
    UNION ALL
    SELECT 'operator ' || o.oprname FROM pg_operator o WHERE o.oprnamespace = 'oathburn'::regnamespace";

/// What refers to what: the tables, and the condition under which two rows belong together.
const REFERENCES: &str = "
    SELECT child.relname, parent.relname,
        string_agg(format('child.%I = parent.%I', mine.attname, theirs.attname), ' AND '),
        string_agg(format('child.%I IS NOT NULL', mine.attname), ' AND ')
    FROM pg_constraint k JOIN pg_class child ON child.oid = k.conrelid JOIN pg_class parent ON parent.oid = k.confrelid
    CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS n (mine, theirs)
    JOIN pg_attribute mine ON mine.attrelid = k.conrelid AND mine.attnum = n.mine
    JOIN pg_attribute theirs ON theirs.attrelid = k.confrelid AND theirs.attnum = n.theirs
    WHERE k.contype = 'f' AND k.connamespace = 'oathburn'::regnamespace
    GROUP BY k.oid, child.relname, parent.relname ORDER BY child.relname, parent.relname, k.oid";

/// The objects of the schema, in order.
pub(super) fn catalog(session: &Session) -> Result<Vec<String>, EscrowError> {
    let rows = session.query(CATALOG, &[])?;
    let mut lines = rows.iter().map(|row| session.value(row, 0)).collect::<Result<Vec<String>, _>>()?;
    lines.sort();
    Ok(lines)
}

pub(super) fn problems(session: &Session) -> Result<Vec<String>, EscrowError> {
    let mut problems = Vec::new();
    for row in session.query(REFERENCES, &[])? {
        let [child, parent, same, refers]: [String; 4] =
            [session.value(&row, 0)?, session.value(&row, 1)?, session.value(&row, 2)?, session.value(&row, 3)?];
        let sql = format!(
            "SELECT count(*) FROM oathburn.{child} AS child WHERE {refers}
                AND NOT EXISTS (SELECT 1 FROM oathburn.{parent} AS parent WHERE {same})"
        );
        let row = session.row(&sql, &[])?;
        let orphans: i64 = row.map_or(Ok(0), |row| session.value(&row, 0))?;
        if orphans > 0 {
            problems.push(format!("{orphans} rows of {child} belong to no row of {parent}"));
        }
    }
    let actual = catalog(session)?;
    let expected: Vec<&str> = EXPECTED.lines().collect();
    problems.extend(
        expected.iter().filter(|one| !actual.iter().any(|line| line == *one)).map(|one| format!("missing {one}")),
    );
    problems
        .extend(actual.iter().filter(|one| !expected.contains(&one.as_str())).map(|one| format!("unexpected {one}")));
    Ok(problems)
}
