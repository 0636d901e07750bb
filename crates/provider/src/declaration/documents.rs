//! Documents that several bodies name: each body takes those that it needs along.

use super::{Bulk, Collection, Declaration, Invalid, Writes, check::refuse};
use crate::body::{Body, Documents};

impl Declaration {
    pub(super) fn hand_out_documents(&mut self) -> Result<(), Invalid> {
        let documents = self.documents();
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

    pub(super) fn documents(&self) -> Documents {
        self.documents.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect()
    }
}

impl Collection {
    /// The same for the bodies of one; `Err`: the name of a document that there isn't.
    pub(super) fn take_documents(&mut self, documents: &Documents) -> Result<(), String> {
        bodies(self).try_for_each(|(_, body)| body.take_documents(documents))
    }
}

/// All bodies of a collection, and where they stand.
fn bodies(collection: &mut Collection) -> impl Iterator<Item = (&'static str, &mut Body)> {
    let Collection { body, retrieve, batch, together, updated, deleted, parent, bulk, writes, .. } =
        collection;
    let (changes, ties) = match updated {
        Some(updated) => (updated.body.as_mut(), updated.ties.as_mut().map(|ties| &mut ties.body)),
        None => (None, None),
    };
    let Writes { create, update, delete, upsert, .. } = writes;
    let of_writes = [
        ("/writes/create", create),
        ("/writes/update", update),
        ("/writes/delete", delete),
        ("/writes/upsert", upsert),
    ]
    .into_iter()
    .filter_map(|(at, write)| Some((at, write.as_mut()?)))
    .flat_map(|(at, write)| {
        let (with, item) =
            write.batch.as_mut().map_or((None, None), |batch| (batch.with.as_mut(), batch.item.as_mut()));
        [write.body.as_mut(), with, item].map(|body| (at, body))
    });
    let parents = parent.as_mut().and_then(|parent| parent.list.as_mut()).map(|list| &mut list.body);
    [
        ("/body", body.as_mut()),
        ("/retrieve/body", retrieve.as_mut().and_then(|retrieve| retrieve.body.as_mut())),
        ("/batch/body", batch.as_mut().map(|batch| &mut batch.body)),
        ("/together/body", together.as_mut().map(|together| &mut together.body)),
        ("/updated/body", changes),
        ("/updated/ties/body", ties),
        ("/deleted/body", deleted.as_mut().and_then(|deleted| deleted.body.as_mut())),
        ("/parent/list/body", parents),
    ]
    .into_iter()
    .chain(of_writes)
    .filter_map(|(at, body)| Some((at, body?)))
    .chain(bulk.iter_mut().flat_map(Bulk::bodies))
}
