//! Consumers: the statements that run for each batch.

use super::{Result, column, rows, statement};
use crate::pg::{
    call::ResultSet,
    statement::{Argument, Statement, argument, pinned},
};
use pgrx::{Uuid, prelude::*};

/// A consumer, and the keys of the locks by which its sessions share the work (sql/schema/consumer_takers.sql).
pub struct Consumer {
    pub no: i32,
    pub max_ack_pending: i32,
    providers: Option<Vec<String>>,
    sync_ids: Option<Vec<Uuid>>,
    collection_ids: Option<Vec<String>>,
    pub taker_class: i32,
    pub amount_class: i32,
    pub aside_key: i64,
    pub immodest_key: i64,
    pub modest_keys: Vec<i64>,
}

thread_local! {
    static TAKE: Statement = const {
        const TYPES: &[pg_sys::Oid] = &[
            pg_sys::TEXTOID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT8OID, pg_sys::INT4OID, pg_sys::TEXTARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID,
        ];
        Statement::new(statement!("consumers/take"), TYPES)
    };
    static CONSUME: Statement = const {
        const TYPES: &[pg_sys::Oid] = &[pg_sys::TEXTOID, pg_sys::INT4OID, pg_sys::INTERVALOID];
        Statement::new(statement!("consumers/consume"), TYPES)
    };
    static ACK: Statement = const {
        const TYPES: &[pg_sys::Oid] = &[pg_sys::TEXTOID, pg_sys::INT8OID, pg_sys::INT8ARRAYOID];
        Statement::new(statement!("consumers/ack"), TYPES)
    };
    static SETTLE: Statement = const {
        const TYPES: &[pg_sys::Oid] = &[pg_sys::TEXTOID, pg_sys::TEXTARRAYOID];
        Statement::new(statement!("consumers/settle"), TYPES)
    };
    static GIVE_BACK: Statement = const {
        const TYPES: &[pg_sys::Oid] = &[pg_sys::TEXTOID, pg_sys::TEXTARRAYOID, pg_sys::INTERVALOID];
        Statement::new(statement!("consumers/give_back"), TYPES)
    };
    static EXTEND: Statement = const {
        const TYPES: &[pg_sys::Oid] = &[pg_sys::TEXTOID, pg_sys::TEXTARRAYOID, pg_sys::INTERVALOID];
        Statement::new(statement!("consumers/extend"), TYPES)
    };
    static FETCH: Statement = const {
        const TYPES: &[pg_sys::Oid] = &[pg_sys::TEXTOID, pg_sys::INT4OID, pg_sys::INTERVALOID];
        Statement::new(statement!("consumers/fetch"), TYPES)
    };
    static GRANTED: Statement = const {
        const TYPES: &[pg_sys::Oid] = &[pg_sys::TEXTOID];
        Statement::new(statement!("consumers/granted"), TYPES)
    };
}

/// Whether the consumer is granted to the current role.
pub fn is_granted(name: Argument) -> bool {
    GRANTED.with(|statement| statement.first::<bool>(&[name])).flatten().unwrap_or(false)
}

/// A consumer that is consumed from, by its name.
pub fn known(name: &str) -> Result<Option<Consumer>> {
    let found = pinned(|| {
        rows(statement!("consumers/known"), &[name.into()], |row| {
            Ok(Consumer {
                no: column(row, 1)?,
                max_ack_pending: column(row, 2)?,
                providers: row.get(3)?,
                sync_ids: row.get(4)?,
                collection_ids: row.get(5)?,
                taker_class: column(row, 6)?,
                amount_class: column(row, 7)?,
                aside_key: column(row, 8)?,
                immodest_key: column(row, 9)?,
                modest_keys: column(row, 10)?,
            })
        })
    })?;
    Ok(found.into_iter().next())
}

/// Takes up to `room` records in the one common case; how many. `others`: how many others may be taking meanwhile.
pub fn take(
    name: Argument,
    consumer: &Consumer,
    room: i32,
    lease: i64,
    others: i32,
    results: &ResultSet,
) -> u64 {
    let Consumer { no, max_ack_pending, providers, sync_ids, collection_ids, .. } = consumer;
    let arguments = [
        name,
        argument(*no),
        argument(*max_ack_pending),
        argument(room),
        argument(lease),
        argument(others),
        argument(providers.clone()),
        argument(sync_ids.clone()),
        argument(collection_ids.clone()),
    ];
    TAKE.with(|statement| statement.collect(&arguments, results))
}

/// `sequin._consume`, with the arguments of `sequin.consume`; how many records it took.
pub fn consume(name: Argument, batch_size: Argument, wait_for: Argument, results: &ResultSet) -> u64 {
    CONSUME.with(|statement| statement.collect(&[name, batch_size, wait_for], results))
}

/// Ends a delivery of which these positions are all that is left; false where it isn't so. With it, the stream to be
/// announced to those who wait for the lease.
pub fn ack(name: Argument, lease: i64, positions: Vec<i64>) -> Option<Option<Uuid>> {
    ACK.with(|statement| statement.first(&[name, argument(lease), argument(positions)]))
}

/// `sequin._ack`, with the arguments of `sequin.ack`.
pub fn settle(name: Argument, tokens: Argument) -> Option<i64> {
    SETTLE.with(|statement| statement.first(&[name, tokens])).flatten()
}

/// `sequin._nack`, with the arguments of `sequin.nack`.
pub fn give_back(name: Argument, tokens: Argument, delay: Argument) -> Option<i64> {
    GIVE_BACK.with(|statement| statement.first(&[name, tokens, delay])).flatten()
}

/// `sequin._extend`, with the arguments of `sequin.extend`.
pub fn extend(name: Argument, tokens: Argument, ack_wait: Argument) -> Option<i64> {
    EXTEND.with(|statement| statement.first(&[name, tokens, ack_wait])).flatten()
}

/// `sequin._fetch`, with the arguments of `sequin.fetch`; how many records it took.
pub fn fetch(name: Argument, batch_size: Argument, wait_for: Argument, results: &ResultSet) -> u64 {
    FETCH.with(|statement| statement.collect(&[name, batch_size, wait_for], results))
}
