//! A bound on what large answers take together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::Settings;

/// An answer that is larger than this part of the largest needs room.
const USUAL_PART: u64 = 64;

/// Places for answers that are larger than usual. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    usual: u64,
    places: Arc<Semaphore>,
}

/// A place for a large answer, held until what was made of it is dropped.
#[derive(Debug)]
pub struct Room {
    _permit: OwnedSemaphorePermit,
}

impl Memory {
    pub(crate) fn new(settings: &Settings) -> Memory {
        let places = settings.max_memory / settings.max_response_bytes.max(1);
        let places = usize::try_from(places).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        let usual = settings.max_response_bytes / USUAL_PART;
        Memory { usual, places: Arc::new(Semaphore::new(places)) }
    }

    /// Waits for room where an answer of so many bytes needs it and has none yet.
    pub(crate) async fn reserve(&self, bytes: u64, room: &mut Option<Room>) {
        if bytes > self.usual && room.is_none() {
            // It is never closed.
            *room = self.places.clone().acquire_owned().await.ok().map(|permit| Room { _permit: permit });
        }
    }
}
