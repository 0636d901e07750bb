//! A worker: takes records from a consumer, handles each, and acknowledges them.
//!
//! ```sh
//! DATABASE_URL=postgresql://localhost/app cargo run --release -- crm
//! ```
//!
//! Put your work into `handle`. Any number of these can run for one consumer; SIGTERM and SIGINT stop one.

mod consumer;

use consumer::{Consumer, Delivery};
use serde_json::{Value, json};
use std::{collections::BTreeMap, env, error::Error, pin::pin, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

/// A record that fails comes again after 1 s, 2 s, 4 s, …
const MAX_DELAY: Duration = Duration::from_secs(300);

/// Your work. An error makes the record come again later. It may, rarely, see a record twice.
///
/// Have it await what takes long: while it blocks the thread, deliveries can't be extended.
async fn handle(record: &Value) -> Result<(), Box<dyn Error>> {
    let email = record["data"]["email"].as_str().ok_or("it has no email")?.to_lowercase();
    // Stands for work that takes its time.
    sleep(Duration::from_secs_f64(env::var("WORK_SECONDS").map_or(Ok(0.0), |text| text.parse())?)).await;
    println!("{}", json!({"id": record["upstream_id"], "email": email, "deleted": record["deleted"]}));
    Ok(())
}

/// Handles one record after the other, and then tells the server about all of them.
async fn handle_batch(consumer: &mut Consumer, batch: &[Delivery]) -> Result<(), consumer::Error> {
    let tokens: Vec<&str> = batch.iter().map(|each| each.token.as_str()).collect();
    let ack_wait = batch[0].ack_wait;
    let mut extend_at = Instant::now() + ack_wait / 3;
    let mut done = Vec::new();
    let mut again: BTreeMap<Duration, Vec<&str>> = BTreeMap::new();
    for (each, token) in batch.iter().zip(&tokens) {
        if consumer.is_stopping() {
            again.entry(Duration::ZERO).or_default().push(token);
            continue;
        }
        let mut work = pin!(handle(&each.record));
        let outcome = loop {
            match timeout_at(extend_at, &mut work).await {
                Ok(outcome) => break outcome,
                Err(_) => {
                    consumer.extend(&tokens, ack_wait).await?;
                    extend_at = Instant::now() + ack_wait / 3;
                }
            }
        };
        match outcome {
            Ok(()) => done.push(*token),
            Err(error) => {
                let doublings = u32::try_from(each.count - 1).unwrap_or(0).min(31);
                let delay = Duration::from_secs(1 << doublings).min(MAX_DELAY);
                let id = each.record["upstream_id"].as_str().unwrap_or_default();
                eprintln!("{id} failed, again in {} s: {error}", delay.as_secs());
                again.entry(delay).or_default().push(token);
            }
        }
    }
    if !done.is_empty() {
        let late = done.len() as i64 - consumer.ack(&done).await?;
        if late > 0 {
            eprintln!("{late} records took too long and come again");
        }
    }
    for (delay, tokens) in &again {
        consumer.nack(tokens, *delay).await?;
    }
    Ok(())
}

/// Turns true with the first SIGTERM or SIGINT.
fn told_to_stop() -> Result<watch::Receiver<bool>, std::io::Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        sender.send_replace(true);
    });
    Ok(receiver)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("DATABASE_URL")?;
    let name = env::args().nth(1).ok_or("usage: worker CONSUMER")?;
    let mut consumer = Consumer::new(&url, name, told_to_stop()?)?;
    while !consumer.is_stopping() {
        let batch = consumer.consume().await?;
        if !batch.is_empty() {
            handle_batch(&mut consumer, &batch).await?;
        }
    }
    Ok(())
}
