//! A consumer over a connection that is opened again whenever it is lost.

use serde_json::Value;
use std::time::Duration;
use tokio::{sync::watch, time::timeout};
use tokio_postgres::{Client, Config, NoTls, Row, types::ToSql};

pub use tokio_postgres::Error;

const BATCH: i32 = 50;
/// What changes is delivered at once all the same. So long can stopping take, and VACUUM be held back.
const WAIT: &str = "1 s";

pub struct Delivery {
    pub token: String,
    pub record: Value,
    pub count: i32,
    pub ack_wait: Duration,
}

pub struct Consumer {
    name: String,
    config: Config,
    client: Option<Client>,
    stop: watch::Receiver<bool>,
}

impl Consumer {
    pub fn new(url: &str, name: String, stop: watch::Receiver<bool>) -> Result<Self, Error> {
        let mut config: Config = url.parse()?;
        config.connect_timeout(Duration::from_secs(10)).keepalives_idle(Duration::from_secs(10));
        Ok(Self { name, config, client: None, stop })
    }

    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    pub async fn consume(&mut self) -> Result<Vec<Delivery>, Error> {
        let rows = self
            .run(
                "SELECT ack_token, record, deliver_count,
                        (SELECT extract(epoch FROM ack_wait)::float8 FROM sequin.consumers WHERE name = $1)
                 FROM sequin.consume($1, $2, $3::text::interval)",
                &[&BATCH, &WAIT],
            )
            .await?;
        let delivery = |row: &Row| Delivery {
            token: row.get(0),
            record: row.get(1),
            count: row.get(2),
            ack_wait: Duration::from_secs_f64(row.get(3)),
        };
        Ok(rows.iter().map(delivery).collect())
    }

    pub async fn extend(&mut self, tokens: &[&str], ack_wait: Duration) -> Result<(), Error> {
        let query = "SELECT sequin.extend($1, $2, make_interval(secs => $3))";
        self.run(query, &[&tokens, &ack_wait.as_secs_f64()]).await.map(drop)
    }

    /// How many were in time.
    pub async fn ack(&mut self, tokens: &[&str]) -> Result<i64, Error> {
        let rows = self.run("SELECT sequin.ack($1, $2)", &[&tokens]).await?;
        Ok(rows[0].get(0))
    }

    pub async fn nack(&mut self, tokens: &[&str], delay: Duration) -> Result<(), Error> {
        let query = "SELECT sequin.nack($1, $2, make_interval(secs => $3))";
        self.run(query, &[&tokens, &delay.as_secs_f64()]).await.map(drop)
    }

    /// Runs a statement, in which $1 is the consumer, until the server has answered.
    ///
    /// So it can run twice, which does no harm: a token that is settled does nothing, and what was taken by a call
    /// whose answer got lost comes again. Tokens outlive the connection.
    async fn run(&mut self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.attempt(query, values).await {
                Err(error) if is_passing(&error) && !self.is_stopping() => eprintln!("{error}; trying again"),
                answer => return answer,
            }
            self.client = None;
            let _ = timeout(pause, self.stop.wait_for(|stop| *stop)).await;
            pause = (2 * pause).min(Duration::from_secs(10));
        }
    }

    async fn attempt(&mut self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let client = match &mut self.client {
            Some(client) => client,
            none => {
                // A server elsewhere is to be reached with TLS: take tokio-postgres-rustls, for example.
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(connection);
                none.insert(client)
            }
        };
        let consumer: &(dyn ToSql + Sync) = &self.name;
        client.query(query, &[&[consumer], values].concat()).await
    }
}

/// What the server refuses it refuses again, but for some conditions: of the connection, of others' transactions, of
/// resources, of the server going down.
fn is_passing(error: &Error) -> bool {
    error.code().is_none_or(|state| ["08", "40", "53", "57"].contains(&&state.code()[..2]))
}
