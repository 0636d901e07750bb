//! Taking and settling records: the common cases of `sequin.consume` and `sequin.ack` in a statement each, all others in
//! SQL. Whether the caller may is asked with the rights of the caller; the rest is done with those of the tables' owner.

use crate::{
    error::{Result, error},
    pg::{
        advisory,
        call::{Call, ResultSet, function},
        process, role, sequence, setting, shared, transaction,
    },
    store::consumers::{self, Consumer},
};
use pgrx::{datum::Interval, pg_sys::panic::ErrorReportable, prelude::*};
use std::cell::RefCell;

thread_local! {
    /// The consumer whose last call in this session left more to take, by its name.
    static BUSY: RefCell<Option<(String, Consumer)>> = const { RefCell::new(None) };
}

function!(sequin_consume, pg_finfo_sequin_consume, consume);
function!(sequin_ack, pg_finfo_sequin_ack, ack);
function!(sequin_nack, pg_finfo_sequin_nack, nack);
function!(sequin_extend, pg_finfo_sequin_extend, extend);
function!(sequin_fetch, pg_finfo_sequin_fetch, fetch);

/// Runs `body`, if the caller may take records for the consumer that the call names.
fn permitted<T>(call: &Call, body: impl FnOnce() -> T) -> T {
    check_rights(call).unwrap_or_report();
    role::as_owner(body)
}

/// Refuses what is not granted in the same words as what does not exist: whoever may not use a consumer shall not find out
/// whether there is one.
fn check_rights(call: &Call) -> Result<()> {
    if role::is_admin() || consumers::is_granted(call.datum(0)) {
        return Ok(());
    }
    let name = String::from_utf8_lossy(call.bytes(0).unwrap_or_default());
    Err(error(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("permission denied for consumer {name:?}"),
    )
    .set_detail("Either there is no such consumer, or it is not granted to the current role.")
    .set_hint("An administrator grants it with sequin.grant_consumer."))
}

fn consume(call: &Call) -> Option<pg_sys::Datum> {
    permitted(call, || deliver(call))
}

fn deliver(call: &Call) -> Option<pg_sys::Datum> {
    let results = call.result_set();
    let name = call.bytes(0).and_then(|name| str::from_utf8(name).ok());
    let batch_size = call.int(1).filter(|size| (1..=10_000).contains(size));
    let settles = call.datum(3).is_some() && call.texts(3).is_none_or(|tokens| !tokens.is_empty());
    if settles {
        settle(call, 3);
    }
    // What is settled must not be held back by a wait.
    let does_not_wait = settles && call.is_duration(2);
    let wait_for = if does_not_wait { Interval::from_seconds(0.0).into_datum() } else { call.datum(2) };
    // A transaction that goes on has to say which records it takes.
    let is_short = !transaction::is_block() && !transaction::is_isolated();
    let (true, Some(name), Some(batch_size)) = (is_short && call.is_duration(2), name, batch_size) else {
        consumers::consume(call.datum(0), call.datum(1), wait_for, &results);
        return None;
    };
    let busy = BUSY.take().filter(|(busy, _)| busy == name).map(|(_, consumer)| consumer);
    let taken = busy.as_ref().map_or(0, |consumer| take(call, consumer, batch_size, &results));
    if taken >= batch_size {
        BUSY.set(busy.map(|consumer| (name.to_owned(), consumer)));
        return None;
    }
    let rest = batch_size - taken;
    let wait_for = if taken > 0 { Interval::from_seconds(0.0).into_datum() } else { wait_for };
    let others = consumers::consume(call.datum(0), rest.into_datum(), wait_for, &results);
    if others == u64::from(rest.unsigned_abs()) {
        BUSY.set(consumers::known(name).unwrap_or_report().map(|consumer| (name.to_owned(), consumer)));
    }
    None
}

/// Takes what it can in the common case; how many. What it doesn't take is left to `sequin._consume`.
fn take(call: &Call, consumer: &Consumer, batch_size: i32, results: &ResultSet) -> i32 {
    let room = batch_size.min(consumer.max_ack_pending);
    let amount = format!("sequin_consume.amount_{}", consumer.no);
    if setting::is_set(&amount) {
        // Not the first call of the transaction.
        return 0;
    }
    // As sequin._admit and sequin._enter do it, whose locks are the same.
    let modest = (consumer.max_ack_pending / 16).max(1);
    let needed = usize::try_from(room).unwrap_or(usize::MAX).div_ceil(usize::try_from(modest).unwrap_or(1));
    let places = consumer.modest_keys.len();
    let first = usize::try_from(process::my_pid()).unwrap_or(0);
    let is_admitted = needed <= places
        && advisory::try_share_pair(consumer.amount_class, room)
        && (0..places)
            .filter(|place| advisory::try_own(consumer.modest_keys[(first + place) % places]))
            .take(needed)
            .count()
            == needed
        && advisory::is_free(consumer.immodest_key);
    if !is_admitted {
        return 0;
    }
    let ticket = sequence::next_value(c"sequin", c"_lease_id");
    #[allow(clippy::cast_possible_truncation, reason = "the low bits are what stands for a ticket")]
    let key = ticket as i32;
    if !(advisory::try_own_pair(consumer.taker_class, key) && advisory::is_free(consumer.aside_key)) {
        return 0;
    }
    let others = i32::try_from(places - needed).unwrap_or(0) * modest;
    let taken = consumers::take(call.datum(0), consumer, room, ticket, others, results);
    if taken > 0 {
        setting::set_local(&amount, &taken.to_string());
    }
    i32::try_from(taken).unwrap_or(room)
}

fn ack(call: &Call) -> Option<pg_sys::Datum> {
    permitted(call, || settle(call, 1))
}

/// Acknowledges the tokens in the argument `tokens`; how many were live.
fn settle(call: &Call, tokens: usize) -> Option<pg_sys::Datum> {
    if let Some((lease, positions)) = call.texts(tokens).and_then(|tokens| whole_lease(&tokens)) {
        let amount = i64::try_from(positions.len()).unwrap_or(0);
        if let Some(waited_for) = consumers::ack(call.datum(0), lease, positions) {
            if let Some(stream) = waited_for {
                transaction::on_commit(move || shared::announce_change(stream.as_bytes()));
            }
            return amount.into_datum();
        }
    }
    consumers::settle(call.datum(0), call.datum(tokens)).and_then(IntoDatum::into_datum)
}

fn nack(call: &Call) -> Option<pg_sys::Datum> {
    permitted(call, || consumers::give_back(call.datum(0), call.datum(1), call.datum(2)))
        .and_then(IntoDatum::into_datum)
}

fn extend(call: &Call) -> Option<pg_sys::Datum> {
    permitted(call, || consumers::extend(call.datum(0), call.datum(1), call.datum(2)))
        .and_then(IntoDatum::into_datum)
}

fn fetch(call: &Call) -> Option<pg_sys::Datum> {
    let results = call.result_set();
    permitted(call, || consumers::fetch(call.datum(0), call.datum(1), call.datum(2), &results));
    None
}

/// The lease that all tokens name, and the positions in it; a token is "<lease>-<position>".
fn whole_lease(tokens: &[&[u8]]) -> Option<(i64, Vec<i64>)> {
    let number = |digits: &[u8]| {
        let is_plain = digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
        str::from_utf8(digits).ok().filter(|_| is_plain)?.parse::<i64>().ok()
    };
    let first = tokens.first()?;
    let lease = &first[..=first.iter().position(|byte| *byte == b'-')?];
    let positions = tokens.iter().map(|token| number(token.strip_prefix(lease)?)).collect::<Option<_>>()?;
    Some((number(&lease[..lease.len() - 1])?, positions))
}
