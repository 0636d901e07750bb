//! Documents that several bodies name: each body takes those that it needs along.

use super::{Collection, Declaration, Invalid, Write, check::refuse};
use crate::body::{Body, Documents};

impl Declaration {
    pub(super) fn hand_out_documents(&mut self) -> Result<(), Invalid> {
        let documents: Documents =
            self.documents.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
        let checks = self.authentication.iter_mut().enumerate().filter_map(|(n, kind)| {
            Some((format!("/authentication/{n}/check/body"), kind.check.as_mut()?.body.as_mut()?))
        });
        let of_collections = self.collections.iter_mut().enumerate().flat_map(|(n, collection)| {
            bodies(collection).map(move |(at, body)| (format!("/collections/{n}{at}"), body))
        });
        for (at, body) in checks.chain(of_collections) {
            if let Err(name) = body.take_documents(&documents) {
                return refuse(at, format!("there is no document {name:?}"));
            }
        }
        Ok(())
    }
}

/// All bodies of a collection, and where they stand.
fn bodies(collection: &mut Collection) -> impl Iterator<Item = (&'static str, &mut Body)> {
    let Collection { body, retrieve, batch, updated, deleted, parent, writes, .. } = collection;
    let (changes, ties) = match updated {
        Some(updated) => (updated.body.as_mut(), updated.ties.as_mut().map(|ties| &mut ties.body)),
        None => (None, None),
    };
    let parents = parent.as_mut().and_then(|parent| parent.list.as_mut()).map(|list| &mut list.body);
    [
        ("/body", body.as_mut()),
        ("/retrieve/body", retrieve.as_mut().and_then(|retrieve| retrieve.body.as_mut())),
        ("/batch/body", batch.as_mut().map(|batch| &mut batch.body)),
        ("/updated/body", changes),
        ("/updated/ties/body", ties),
        ("/deleted/body", deleted.as_mut().and_then(|deleted| deleted.body.as_mut())),
        ("/parent/list/body", parents),
        ("/writes/create/body", of_write(&mut writes.create)),
        ("/writes/update/body", of_write(&mut writes.update)),
        ("/writes/delete/body", of_write(&mut writes.delete)),
        ("/writes/upsert/body", of_write(&mut writes.upsert)),
    ]
    .into_iter()
    .filter_map(|(at, body)| Some((at, body?)))
}

fn of_write(write: &mut Option<Write>) -> Option<&mut Body> {
    write.as_mut().and_then(|write| write.body.as_mut())
}
