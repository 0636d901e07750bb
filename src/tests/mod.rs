//! What the SQL functions do, within one transaction each.
