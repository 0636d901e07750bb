//! Sessions of a real server, and the statements that they run.

use crate::{
    model::{ACK_WAIT, Action, Delivered, PASSING_TIME, RECORDS, SESSIONS, Settings, Version},
    state::Token,
};
use postgres::{Client, NoTls, Row, error::SqlState};
use std::{error::Error, fmt, process};

const COLLECTIONS: [&str; 2] = ["stripe:customer", "stripe:charge"];

const CREATE_CONSUMER: &str = "
    SELECT sequin.create_consumer(
        $1, $2, filter => CASE WHEN $3 THEN jsonb_build_object('collection_id', $4::text) ELSE '{}' END,
        ack_wait => make_interval(mins => $5), max_deliver => $6, max_ack_pending => $7)";

const WRITE: &str = "
    INSERT INTO sequin.records (stream_id, id, sync_id, provider, collection_id, upstream_id, data, deleted,
                                updated_idx, observed_at, data_hash)
    SELECT s.id, gen_random_uuid(), s.id, 'stripe', $2, $3, jsonb_build_object('value', $4::bigint), $5,
           nextval('sequin.updated_idx'), now(), gen_random_uuid()
    FROM sequin.streams AS s WHERE s.name = $1
    ON CONFLICT ON CONSTRAINT records_upstream_key DO UPDATE
    SET data = excluded.data, deleted = excluded.deleted, updated_idx = excluded.updated_idx
    RETURNING updated_idx";

const CONSUME: &str = "
    SELECT split_part(ack_token, '-', 1)::bigint, split_part(ack_token, '-', 2)::bigint,
           2 * (record ->> 'upstream_id')::bigint + array_position($3, record ->> 'collection_id') - 1,
           updated_idx, (record #>> '{data,value}')::bigint, (record ->> 'deleted')::boolean, deliver_count
    FROM sequin.consume($1, $2)";

const AGE_LEASES: &str = "
    UPDATE sequin._leases AS l
    SET deadline = l.deadline - make_interval(mins => $2),
        deadlines = CASE WHEN l.deadlines IS NOT NULL THEN
            ARRAY(SELECT d - make_interval(mins => $2) FROM unnest(l.deadlines) WITH ORDINALITY AS e (d, n) ORDER BY n)
        END
    WHERE (l.consumer_no, l.id) IN (
        SELECT f.consumer_no, f.id
        FROM sequin._leases AS f JOIN sequin.consumers AS c ON c.no = f.consumer_no
        WHERE c.name = $1
        FOR UPDATE OF f SKIP LOCKED)
    RETURNING l.id";

const AGE_RETRIES: &str = "
    UPDATE sequin._retries AS r SET due = r.due - make_interval(mins => $2)
    WHERE r.id IN (
        SELECT f.id
        FROM sequin._retries AS f JOIN sequin.consumers AS c ON c.no = f.consumer_no
        WHERE c.name = $1
        FOR UPDATE OF f SKIP LOCKED)
    RETURNING r.position";

/// An error whose text is the server's.
#[derive(Debug)]
pub struct ServerError(postgres::Error);

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(error) => error.fmt(f),
            None => self.0.fmt(f),
        }
    }
}

impl Error for ServerError {}

impl From<postgres::Error> for ServerError {
    fn from(error: postgres::Error) -> Self {
        Self(error)
    }
}

type Result<T> = std::result::Result<T, ServerError>;

pub struct Server {
    /// Writes, and does what isn't a session's business.
    owner: Client,
    sessions: Vec<Client>,
    cases: u32,
    /// The name of the case's stream and of its consumer.
    name: String,
}

impl Server {
    pub fn connect(url: &str) -> Result<Self> {
        // A session never has to wait for another one's transaction, except where `Model::settle` says so.
        let session = |timeout: &str| -> Result<Client> {
            let mut client = Client::connect(url, NoTls)?;
            client.batch_execute(&format!("SET lock_timeout = '{timeout}'"))?;
            Ok(client)
        };
        let sessions = (0..SESSIONS).map(|_| session("10 s")).collect::<Result<_>>()?;
        Ok(Self { owner: session("100 ms")?, sessions, cases: 0, name: String::new() })
    }

    /// Begins a case: a stream with a consumer and another one, of which nothing is consumed.
    pub fn prepare(&mut self, settings: Settings) -> Result<()> {
        for session in &mut self.sessions {
            session.batch_execute("ROLLBACK")?;
        }
        self.cases += 1;
        self.name = format!("case_{}_{}", process::id(), self.cases);
        self.owner.execute("SELECT sequin.create_stream($1)", &[&self.name])?;
        for consumer in [&self.name, &self.other_consumer()] {
            self.owner.execute(
                CREATE_CONSUMER,
                &[
                    consumer,
                    &self.name,
                    &settings.is_filtered,
                    &COLLECTIONS[0],
                    &ACK_WAIT,
                    &settings.max_deliver,
                    &settings.max_ack_pending,
                ],
            )?;
        }
        Ok(())
    }

    /// Ends a case that went well.
    pub fn clear(&mut self) -> Result<()> {
        self.owner.execute("SELECT sequin.delete_stream($1, force => true)", &[&self.name])?;
        Ok(())
    }

    fn other_consumer(&self) -> String {
        format!("{}_other", self.name)
    }

    /// Writes records in one transaction, as a worker does it; gives their positions.
    pub fn write(&mut self, records: &[usize], value: i64, deleted: bool) -> Result<Vec<i64>> {
        let mut transaction = self.owner.transaction()?;
        transaction
            .execute("SELECT sequin._lock_stream(id) FROM sequin.streams WHERE name = $1", &[&self.name])?;
        let mut positions = Vec::new();
        for record in records {
            let (collection, id) = (COLLECTIONS[record % 2], (record / 2).to_string());
            let row = transaction.query_one(WRITE, &[&self.name, &collection, &id, &value, &deleted])?;
            positions.push(row.get(0));
        }
        transaction.commit()?;
        Ok(positions)
    }

    /// `BEGIN`, `COMMIT` or `ROLLBACK`.
    pub fn control(&mut self, session: usize, command: &str) -> Result<()> {
        Ok(self.sessions[session].batch_execute(command)?)
    }

    pub fn consume(&mut self, session: usize, batch_size: usize) -> Result<Vec<Delivered>> {
        let batch_size = i32::try_from(batch_size).unwrap_or(i32::MAX);
        let rows =
            self.sessions[session].query(CONSUME, &[&self.name, &batch_size, &COLLECTIONS.as_slice()])?;
        Ok(rows.iter().map(delivered).collect())
    }

    /// `foreign`: in the name of the other consumer. Gives how many tokens were live.
    pub fn settle(&mut self, session: usize, action: Action, tokens: &[Token], foreign: bool) -> Result<i64> {
        let consumer = if foreign { self.other_consumer() } else { self.name.clone() };
        let tokens: Vec<String> = tokens.iter().map(Token::to_string).collect();
        let session = &mut self.sessions[session];
        let row = match action {
            Action::Ack => session.query_one("SELECT sequin.ack($1, $2)", &[&consumer, &tokens]),
            Action::Nack(delay) => session.query_one(
                "SELECT sequin.nack($1, $2, make_interval(mins => $3))",
                &[&consumer, &tokens, &delay],
            ),
            Action::Extend(ack_wait) => session.query_one(
                "SELECT sequin.extend($1, $2, make_interval(mins => $3))",
                &[&consumer, &tokens, &ack_wait],
            ),
        };
        Ok(row?.get(0))
    }

    /// False: it would have to wait for a transaction that is open.
    pub fn replay(&mut self, from: i64) -> Result<bool> {
        match self.owner.execute("SELECT sequin.replay($1, $2)", &[&self.name, &from]) {
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
            done => Ok(done.map(|_| true)?),
        }
    }

    /// Lets time pass for all that no transaction has locked: gives these leases, and the positions of these retries.
    pub fn pass_time(&mut self) -> Result<(Vec<i64>, Vec<i64>)> {
        let mut age = |statement: &str| -> Result<Vec<i64>> {
            let rows = self.owner.query(statement, &[&self.name, &PASSING_TIME])?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        };
        Ok((age(AGE_LEASES)?, age(AGE_RETRIES)?))
    }

    /// What `sequin.consumer_status` says to be pending, in flight and dead.
    pub fn status(&mut self) -> Result<[i64; 3]> {
        let row = self.owner.query_one(
            "SELECT pending, in_flight, dead FROM sequin.consumer_status WHERE consumer = $1",
            &[&self.name],
        )?;
        Ok([row.get(0), row.get(1), row.get(2)])
    }
}

fn delivered(row: &Row) -> Delivered {
    Delivered {
        token: Token { lease: row.get(0), position: row.get(1) },
        record: usize::try_from(row.get::<_, i64>(2)).unwrap_or(RECORDS),
        version: Version { position: row.get(3), value: row.get(4), deleted: row.get(5) },
        count: row.get(6),
    }
}
