//! The objects of a large answer, in pieces that are small enough for a transaction.

use crate::{
    listing::remove_repetitions,
    record::{Record, Rejected},
};

/// How many objects a piece has at most.
pub(crate) const MOST_OBJECTS: usize = 1000;

#[derive(Debug, Default)]
pub struct Piece {
    pub records: Vec<Record>,
    pub rejected: Vec<Rejected>,
    /// How far all has been read behind it, in rows of the part or in bytes of the file.
    pub(crate) end: u64,
}

/// Collects objects.
#[derive(Default)]
pub(crate) struct Pieces {
    closed: Vec<Piece>,
    open: Piece,
}

impl Pieces {
    /// Takes what has been read up to `end`; `None` where it is of no interest.
    pub(crate) fn add(&mut self, object: Option<Result<Record, Rejected>>, end: u64) {
        match object {
            Some(Ok(record)) => self.open.records.push(record),
            Some(Err(rejected)) => self.open.rejected.push(rejected),
            None => {}
        }
        self.open.end = end;
        if self.open.records.len() + self.open.rejected.len() >= MOST_OBJECTS {
            self.close();
        }
    }

    fn close(&mut self) {
        let mut piece = std::mem::take(&mut self.open);
        remove_repetitions(&mut piece.records);
        self.closed.push(piece);
    }

    pub(crate) fn finish(mut self) -> Vec<Piece> {
        if self.open.end > 0 {
            self.close();
        }
        self.closed
    }
}
