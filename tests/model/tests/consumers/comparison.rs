//! Does each operation on the server and on the model, and tells where they differ.

use crate::{
    model::{Action, Model, SESSIONS, Settings, Version},
    operation::{Choice, Operation},
    server::Server,
    state::Token,
};
use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

/// How long a record may take to come once nothing stands in its way: one that was met in another transaction is looked
/// at again after 10 ms.
const PATIENCE: Duration = Duration::from_millis(200);

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

pub struct Comparison<'a> {
    server: &'a mut Server,
    model: Model,
    /// The tokens of each call that gave any.
    batches: Vec<Vec<Token>>,
    writes: i64,
}

impl<'a> Comparison<'a> {
    pub fn new(server: &'a mut Server, settings: Settings) -> Result<Self> {
        server.prepare(settings)?;
        Ok(Self { server, model: Model::new(settings), batches: Vec::new(), writes: 0 })
    }

    /// Does the operations, then whatever is left to be done; after it nothing must be owed.
    pub fn run(mut self, operations: &[Operation]) -> Result {
        for (number, operation) in operations.iter().enumerate() {
            self.perform(operation).map_err(|error| format!("operation {number}, {operation:?}: {error}"))?;
        }
        self.finish().map_err(|error| format!("at the end: {error}"))?;
        Ok(self.server.clear()?)
    }

    fn perform(&mut self, operation: &Operation) -> Result {
        match operation {
            Operation::Write { records, deleted } => self.write(records, *deleted),
            Operation::Begin { session } => self.begin(*session),
            Operation::Commit { session } => self.end(*session, "COMMIT", Model::commit),
            Operation::Rollback { session } => self.end(*session, "ROLLBACK", Model::rollback),
            Operation::Consume { session, batch_size } => self.consume(*session, *batch_size).map(drop),
            Operation::Settle { session, action, choice, foreign } => {
                self.settle(*session, *action, &self.choose(choice), *foreign)
            }
            Operation::Replay { from } => self.replay(*from),
            Operation::PassTime => self.pass_time(),
        }
    }

    fn write(&mut self, records: &[usize], deleted: bool) -> Result {
        self.writes += 1;
        let positions = self.server.write(records, self.writes, deleted)?;
        for (record, position) in records.iter().zip(positions) {
            self.model.write(*record, Version { position, value: self.writes, deleted });
        }
        Ok(())
    }

    fn begin(&mut self, session: usize) -> Result {
        if !self.model.is_open(session) {
            self.server.control(session, "BEGIN")?;
            self.model.begin(session);
        }
        Ok(())
    }

    fn end(&mut self, session: usize, command: &str, end: fn(&mut Model, usize)) -> Result {
        if self.model.is_open(session) {
            self.server.control(session, command)?;
            end(&mut self.model, session);
        }
        Ok(())
    }

    /// Gives the tokens. No record may be missing, except what other transactions keep.
    fn consume(&mut self, session: usize, batch_size: usize) -> Result<Vec<Token>> {
        self.model.sweep(session);
        let owed = self.model.owed(session, batch_size);
        let deadline = Instant::now() + PATIENCE;
        let mut tokens = Vec::new();
        loop {
            let is_late = Instant::now() > deadline;
            let room = batch_size - tokens.len();
            let batch = self.server.consume(session, room)?;
            if batch.len() > room {
                return Err(format!("{} records, and batch_size is {room}", batch.len()).into());
            }
            self.model.consume(session, &batch)?;
            if !batch.is_empty() {
                self.batches.push(batch.iter().map(|delivered| delivered.token).collect());
                tokens.extend(batch.iter().map(|delivered| delivered.token));
            }
            if tokens.len() >= owed {
                return Ok(tokens);
            } else if is_late {
                return Err(format!("{} records, and {owed} are due", tokens.len()).into());
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Nothing happens where the session would have to wait for another one's transaction.
    fn settle(&mut self, session: usize, action: Action, tokens: &[Token], foreign: bool) -> Result {
        let live = if foreign { Some(0) } else { self.model.settle(session, action, tokens) };
        live.map_or(Ok(()), |live| {
            agree("live tokens", self.server.settle(session, action, tokens, foreign)?, live)
        })
    }

    fn choose(&self, choice: &Choice) -> Vec<Token> {
        let batches = choice.batches.iter().filter_map(|back| self.batches.iter().rev().nth(*back));
        let is_chosen = |number: usize| choice.part.is_none_or(|part| part >> (number % 16) & 1 == 1);
        let tokens = batches.flatten().enumerate().filter(|(number, _)| is_chosen(*number));
        tokens.map(|(_, token)| *token).collect()
    }

    /// While a transaction is open that has taken records, it would wait; it may also wait for one that has settled.
    fn replay(&mut self, from: usize) -> Result {
        if self.model.has_takers() {
            return Ok(());
        }
        let position = from.checked_sub(1).and_then(|number| self.model.positions().into_iter().nth(number));
        let position = position.unwrap_or(0);
        if self.server.replay(position)? {
            self.model.replay(position);
        } else if self.model.is_at_rest() {
            return Err("it waits, and no transaction is open".into());
        }
        Ok(())
    }

    fn pass_time(&mut self) -> Result {
        let (leases, positions) = self.server.pass_time()?;
        self.model.pass_time(&leases, &positions);
        Ok(())
    }

    fn finish(&mut self) -> Result {
        for session in 0..SESSIONS {
            self.end(session, "COMMIT", Model::commit)?;
        }
        self.agree_on_status()?;
        // More than any delivery has left, or anything has to wait.
        for _ in 0..3 {
            self.pass_time()?;
        }
        loop {
            let tokens = self.consume(0, 10)?;
            if tokens.is_empty() {
                break;
            }
            self.settle(0, Action::Ack, &tokens, false)?;
        }
        let unfinished = self.model.unfinished();
        if !unfinished.is_empty() {
            return Err(format!("the last versions of {unfinished:?} were never acknowledged").into());
        }
        self.agree_on_status()?;
        agree("pending", self.server.status()?[0], 0)
    }

    fn agree_on_status(&mut self) -> Result {
        let [_, in_flight, dead] = self.server.status()?;
        agree("in flight", in_flight, self.model.in_flight())?;
        agree("dead", dead, self.model.dead())
    }
}

/// That the server says what the model says.
fn agree(what: &str, server: i64, model: usize) -> Result {
    if i64::try_from(model) == Ok(server) {
        Ok(())
    } else {
        Err(format!("{what}: {server}, not {model}").into())
    }
}
