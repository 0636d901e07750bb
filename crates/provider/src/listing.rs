//! Walking through the list of a collection, page by page.

use crate::{
    answer::Answer,
    declaration::{
        Batch, CollectionRef, OptionPath, OptionValues, Pagination, ParentList, Paths, Together, UpdatedBound,
    },
    export::Told,
    pages::{After, List},
    pieces::Piece,
    pointer::{self, Pointer},
    position::{Beneath, NothingMissing, Position, Reading},
    record::{Reader, Record, Rejected, identifier},
    template::Template,
    together::{self, Lists},
    unread::Unread,
};
use http::header::ETAG;
use sequin_domain::{
    failure::{Failure, FailureClass},
    ranges::Span,
    timestamp::Timestamp,
};
use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU32,
    sync::Arc,
};

/// What one answer adds.
#[derive(Debug)]
pub struct Page {
    pub records: Vec<Record>,
    pub rejected: Vec<Rejected>,
    /// `None` at the end of the list.
    pub next: Option<Position>,
    /// When each object of the list was created, in its order; of a list of parents they are the parents, and of a list
    /// of children it is empty.
    pub created: Vec<Option<Timestamp>>,
    /// When each was changed, as the list says, in its order. Where the list does no more than name the objects, they are
    /// in pages behind it, and those say nothing of the list.
    pub changed: Vec<Option<Timestamp>>,
    /// What of the list was shown: the ids of its objects; those of children behind their parent's, and that too. Where the
    /// answer shows nothing itself, which page it is.
    pub listed: Vec<String>,
    /// The parents whose children it has shown.
    pub parents: Vec<String>,
    /// The list of which there is no page, as it was passed over.
    pub unread: Option<Unread>,
    /// The API's clock when it answered.
    pub date: Timestamp,
    /// Whether what the position names is missing.
    pub is_missing: bool,
    /// With what the API need not give the answer again. Whether there is another page by now need not show in this one: where
    /// it could be, there is none of that.
    pub known: Option<Arc<Known>>,
    /// What of a large answer is to be stored before the rest of it, each piece with where the walk goes on behind it.
    pub ahead: Vec<(Piece, Position)>,
    /// Where it is about an export, and no page of a list.
    pub told: Option<Told>,
}

/// An answer that the API need not give again, as long as it is the same.
#[derive(Debug, Clone)]
pub struct Known {
    /// What tells this version of the answer from others.
    pub etag: String,
    /// Where its list goes on.
    after: Option<After>,
    /// What there is to be listed beneath its objects.
    beneath: VecDeque<Reading>,
}

impl Page {
    /// The page is as it is known.
    pub fn unchanged(known: Arc<Known>, position: &Position, answer: &Answer) -> Self {
        let next = position.behind(known.after.clone(), known.beneath.clone());
        Self { next, known: Some(known), listed: itself(position), ..Self::empty(answer) }
    }

    /// Nothing but where the walk goes on.
    fn leading_to(
        after: Option<After>,
        beneath: VecDeque<Reading>,
        position: &Position,
        answer: &Answer,
    ) -> Self {
        let etag = answer.headers.get(ETAG).and_then(|etag| etag.to_str().ok());
        let known = etag.map(|etag| {
            Arc::new(Known { etag: etag.to_owned(), after: after.clone(), beneath: beneath.clone() })
        });
        Self { next: position.behind(after, beneath), known, ..Self::empty(answer) }
    }

    fn empty(answer: &Answer) -> Self {
        Self::at(answer.date())
    }

    fn at(date: Timestamp) -> Self {
        Self {
            records: Vec::new(),
            rejected: Vec::new(),
            next: None,
            created: Vec::new(),
            changed: Vec::new(),
            listed: Vec::new(),
            parents: Vec::new(),
            unread: None,
            date,
            is_missing: false,
            known: None,
            ahead: Vec::new(),
            told: None,
        }
    }

    /// What an answer has told about an export, and where that leads.
    pub(crate) fn about_export(next: Option<Position>, told: Told, date: Timestamp) -> Self {
        let listed = next.iter().flat_map(itself).collect();
        Self { next, listed, told: Some(told), ..Self::at(date) }
    }
}

/// What a page that shows nothing itself has listed: which one it is.
fn itself(position: &Position) -> Vec<String> {
    vec![format!("{:?}", position.page())]
}

/// A walk through a collection, or a part of it.
#[derive(Debug, Clone)]
pub struct Listing {
    pub collection: CollectionRef,
    /// What the sync says of what it is to read.
    pub options: Arc<OptionValues>,
    /// What its objects have, where the API tells that.
    pub properties: Arc<[String]>,
    /// Which objects, by the time of their creation, where the API can tell; in a nested collection, which of the
    /// outermost.
    pub span: Span,
    /// Which children: those that were created from this instant on, where the API can tell.
    pub children_since: Option<Timestamp>,
    /// Which objects: those that were changed from this instant on; of tombstones, deleted.
    pub changed_since: Option<Timestamp>,
    /// Of what was changed, only what was at that very instant, and has an id behind this one.
    pub tied: Option<String>,
    pub subject: Subject,
}

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Objects,
    /// The objects that have been deleted. A record of one says no more than that, and when.
    Tombstones,
}

impl Listing {
    /// All of a collection, in so far as no options are needed to find it.
    pub fn whole(collection: CollectionRef) -> Self {
        Self {
            collection,
            options: Arc::default(),
            properties: Arc::default(),
            span: Span::default(),
            children_since: None,
            changed_since: None,
            tied: None,
            subject: Subject::Objects,
        }
    }

    /// The tombstones of a collection, which declares where they are listed.
    pub fn tombstones(collection: CollectionRef, since: Option<Timestamp>) -> Self {
        Self { changed_since: since, subject: Subject::Tombstones, ..Self::whole(collection) }
    }

    /// Before the first page; `None` where the options name nothing to be listed.
    pub fn start(&self) -> Option<Position> {
        let levels = self.collection.levels();
        match (&levels.first()?.path, self.subject) {
            (Paths::One(_), _) | (_, Subject::Tombstones) => Position::at_start([Beneath::Root]),
            (Paths::ByOption(paths), Subject::Objects) => {
                let values = |option: &String| self.options.get(option).map_or(&[][..], Vec::as_slice);
                let of_option = |OptionPath { option, within, .. }: &OptionPath| {
                    let wider = within.as_ref().map_or(&[][..], values);
                    let name = option.clone();
                    values(option)
                        .iter()
                        .filter(move |value| !is_within(value, wider))
                        .map(move |value| Beneath::Option { name: name.clone(), value: value.clone() })
                };
                Position::at_start(paths.iter().flat_map(of_option))
            }
        }
    }

    /// Whether the list can be cut: the API bounds it on both sides, also in the middle, and each object says when it was
    /// created.
    pub fn can_be_cut(&self) -> bool {
        self.collection.levels().first().is_some_and(|outermost| {
            outermost.is_one_list()
                && outermost.pagination().takes_parameters()
                && outermost.created.as_ref().is_some_and(|created| created.before.is_some())
                && outermost.shape().created_at.is_some()
        })
    }

    /// Whether the page at `position` is one of the collection, and not of what it stands beneath.
    pub fn is_own(&self, position: &Position) -> bool {
        position.level() + 1 == self.collection.levels().len()
    }

    /// The list of changes that a level of the walk reads, and from when on; `None` where it reads all objects.
    pub(crate) fn look<'a>(
        &self,
        collection: &'a CollectionRef,
        level: usize,
    ) -> Option<(&'a UpdatedBound, Timestamp)> {
        let depth = self.collection.levels().len();
        let is_of_changes = self.subject == Subject::Objects
            && level + 1 + usize::from(self.collection.changes.of_parents) == depth;
        collection.updated.as_ref().zip(self.changed_since).filter(|_| is_of_changes)
    }

    /// How the parents of the collection are listed for its sake, where it is otherwise than for their own.
    pub(crate) fn parents_list(&self, level: usize) -> Option<&ParentList> {
        let is_of_parents = level + 2 == self.collection.levels().len();
        self.collection.parent.as_ref()?.list.as_ref().filter(|_| is_of_parents)
    }

    /// How many points the page at `position` may cost, where the API counts them.
    pub fn points(&self, position: &Position) -> u32 {
        let Some(cost) = &self.collection.declaration.rate_limit.cost else { return 0 };
        if self.exporting(position).is_some() {
            let reserve = cost.reserve.filter(|_| !self.is_elsewhere(position));
            return reserve.map_or(0, NonZeroU32::get);
        }
        let level = position.level();
        let own = match (&position.reading().beneath, self.subject) {
            (Beneath::Objects { .. }, _) | (_, Subject::Tombstones) => None,
            _ => match self.parents_list(level) {
                Some(list) => list.cost,
                None => self.collection.levels().get(level).and_then(|collection| collection.cost),
            },
        };
        own.or(cost.reserve).map_or(0, NonZeroU32::get)
    }

    /// How the list of a level, which is one of `collection`, is cut into pages.
    pub(crate) fn pagination<'a>(&'a self, collection: &'a CollectionRef, level: usize) -> &'a Pagination {
        let own = match self.subject {
            Subject::Tombstones => {
                collection.deleted.as_ref().and_then(|deleted| deleted.pagination.as_ref())
            }
            Subject::Objects => {
                let of_parents = self.parents_list(level).and_then(|list| list.pagination.as_ref());
                let of_changes = || self.look(collection, level)?.0.pagination.as_ref();
                of_parents.or_else(of_changes)
            }
        };
        own.unwrap_or_else(|| collection.pagination())
    }

    /// What the answer to the request at `position` says.
    pub fn interpret(&self, position: &Position, answer: &Answer) -> Result<Page, Failure> {
        if let Some((bulk, export)) = self.exporting(position) {
            return self.read_export(bulk, export, position, answer);
        }
        let found = answer.text(&self.collection.declaration).and_then(|text| {
            if self.says_missing(position, &text) {
                let problem = "the API says that what was to be listed is not there";
                return Err(Failure::new(FailureClass::Missing, problem));
            }
            Ok(text)
        });
        let text = match found {
            Ok(text) => text,
            Err(failure) => return self.refused(position, answer, failure),
        };
        self.read(position, answer, &text).map_err(|problem| answer.bad_data(problem))
    }

    /// Whether an answer that is no failure says that there is nothing of which this could be the list.
    fn says_missing(&self, position: &Position, text: &str) -> bool {
        let levels = self.collection.levels();
        let at = levels.get(position.level()).and_then(|collection| collection.missing.as_ref());
        let Some(at) = at.filter(|_| self.subject == Subject::Objects) else { return false };
        pointer::follow(text, [Some(at)]).is_ok_and(|[found]| found.is_some_and(|raw| raw.get() == "null"))
    }

    /// What it means that the list at `position` can't be read: others may go on without it.
    fn refused(&self, position: &Position, answer: &Answer, failure: Failure) -> Result<Page, Failure> {
        let is_missing = failure.class == FailureClass::Missing;
        let past = match failure.class {
            FailureClass::Missing => position.past_missing(),
            FailureClass::Permission => position.past_forbidden(),
            _ => Err(NothingMissing),
        };
        match past {
            Ok(next) => {
                let unread = Unread::at(&self.collection, position, failure);
                // What is surely missing is known to have no children. Ids of what stands further up are those of others.
                let is_none = unread.is_none() && position.is_at_start_of_list() && self.is_own(position);
                let parent = position.reading().beneath.id().filter(|_| is_none);
                let parents = parent.map(str::to_owned).into_iter().collect();
                Ok(Page {
                    next,
                    unread,
                    parents,
                    listed: itself(position),
                    is_missing,
                    ..Page::empty(answer)
                })
            }
            Err(NothingMissing) => Err(failure),
        }
    }

    fn read(&self, position: &Position, answer: &Answer, text: &str) -> Result<Page, String> {
        let original = answer.original(text);
        let levels = self.collection.levels();
        let level = position.level();
        if level + 1 < levels.len() {
            let reader = Reader::new(&self.collection, original);
            return self.read_parents(&levels[level..], &reader, position, answer, text);
        }
        let Reading { beneath, after, .. } = position.reading();
        if let (Beneath::Objects { ids }, Some(batch)) = (beneath, &self.collection.batch) {
            let reader = Reader::new(&self.collection, original);
            return read_batch(&reader, batch, ids, position, answer, text);
        }
        if let (Beneath::Parents { ids }, Some(together)) = (beneath, &self.collection.together) {
            let reader = Reader::new(&self.collection, original);
            let Lists { mut records, rejected, listed, unfinished } =
                together::read(&reader, together, ids, answer, text)?;
            remove_repetitions(&mut records);
            let (next, parents) = (position.with_instead(unfinished), ids.clone());
            return Ok(Page { records, rejected, next, listed, parents, ..Page::empty(answer) });
        }
        let pagination = self.pagination(&self.collection, level);
        let list = read_list(&self.collection, pagination, beneath, answer, text)?;
        let reader = match (self.subject, &self.collection.deleted) {
            (Subject::Tombstones, Some(deleted)) => Reader::of_tombstones(deleted, original),
            _ => Reader::new(&self.collection, original),
        };
        let Objects { mut records, mut rejected, created, changed, ids, next } =
            read_objects(&reader, pagination, &list, after, beneath.id())?;
        let next = next.filter(|_| !self.is_too_old(level, &records));
        let mut named = VecDeque::new();
        match (self.subject, &self.collection.batch) {
            (Subject::Tombstones, _) => records = records.into_iter().map(Record::buried).collect(),
            (Subject::Objects, Some(batch)) => {
                // However little else of an object the list shows: it names it.
                let (unnamed, misread): (Vec<_>, Vec<_>) =
                    rejected.into_iter().partition(|rejected| rejected.upstream_id.is_none());
                rejected = unnamed;
                let mut ids: Vec<String> = records.drain(..).map(|record| record.upstream_id).collect();
                for id in misread.into_iter().filter_map(|rejected| rejected.upstream_id) {
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                let batches = ids.chunks(batch.size.get()).map(<[String]>::to_vec);
                named.extend(batches.map(|ids| Reading::of(Beneath::Objects { ids })));
            }
            (Subject::Objects, None) => {}
        }
        let (created, listed) = match beneath.id() {
            None => (created, ids),
            Some(parent) => {
                let children = ids.iter().map(|id| format!("{parent} {id}"));
                (Vec::new(), std::iter::once(parent.to_owned()).chain(children).collect())
            }
        };
        let parents = beneath.id().map(str::to_owned).into_iter().collect();
        let page = Page::leading_to(next, named, position, answer);
        let known = page.known.filter(|_| !pagination.is_full(&list));
        Ok(Page { records, rejected, created, changed, listed, parents, known, ..page })
    }

    /// Whether a page has nothing but what is too old, in a list that has the newest first.
    fn is_too_old(&self, level: usize, records: &[Record]) -> bool {
        let (created, updated) = (&self.collection.created, &self.collection.updated);
        let created_since = match level {
            0 => self.span.from.and_then(Timestamp::from_unix_seconds),
            _ => self.children_since,
        };
        let is_older = |time: Option<Timestamp>, since: Timestamp| time.is_some_and(|time| time < since);
        let is_over = |since: Option<Timestamp>, time: fn(&Record) -> Option<Timestamp>| {
            since.is_some_and(|since| records.iter().all(|record| is_older(time(record), since)))
        };
        !records.is_empty()
            && ((created.as_ref().is_some_and(|created| created.newest_first)
                && is_over(created_since, |record| record.created_at))
                || (updated.as_ref().is_some_and(|updated| updated.newest_first)
                    && !self.collection.changes.of_parents
                    && is_over(self.changed_since, |record| record.updated_at)))
    }

    /// A page of the first of `levels`, whose objects are parents: the children embedded in them, and who has more.
    fn read_parents(
        &self,
        levels: &[CollectionRef],
        reader: &Reader,
        position: &Position,
        answer: &Answer,
        text: &str,
    ) -> Result<Page, String> {
        let [parents, child, ..] = levels else { return Err("the collection is not nested".into()) };
        let Reading { beneath, after, .. } = position.reading();
        let level = position.level();
        let list = read_list(parents, self.pagination(parents, level), beneath, answer, text)?;
        let pagination = child.pagination().embedded();
        let shape = parents.shape();
        let created_at = shape.created_at.as_ref();
        // What is embedded are the children themselves, and not others that these stand beneath.
        let embedded =
            child.parent.as_ref().filter(|_| levels.len() == 2).and_then(|parent| parent.embedded.as_ref());
        let wanted = wanted_of_parents(child);
        let changed_since = self.changed_since.filter(|_| child.changes.of_parents && levels.len() == 2);
        let mut has_young = list.items.is_empty();
        let (mut records, mut rejected) = (Vec::<Record>::new(), Vec::<Rejected>::new());
        let mut unfinished = VecDeque::new();
        let mut created = Vec::with_capacity(list.items.len());
        let mut changed = Vec::new();
        let mut ids = Vec::with_capacity(list.items.len());
        let mut with_children = Vec::new();
        let mut together = Vec::new();
        for item in &list.items {
            let updated_at = shape.updated_at.as_ref();
            let moments = [created_at, updated_at].map(|moment| moment.map(|moment| &moment.at));
            let pointers = [Some(&shape.id), embedded, moments[0], moments[1]];
            let [id, children, raw_created, updated] =
                pointer::follow(item.get(), pointers).map_err(|error| error.to_string())?;
            let id = id.and_then(identifier).ok_or_else(|| format!("a {} has no id", parents.title))?;
            created.push(created_at.zip(raw_created).and_then(|(moment, raw)| moment.format.read(raw)));
            let updated = updated_at.zip(updated).and_then(|(moment, raw)| moment.format.read(raw));
            if changed_since.zip(updated).is_some_and(|(since, updated)| updated < since) {
                ids.push(id);
                continue;
            }
            has_young = true;
            // A look at parents is over with their changes, whatever their children say.
            changed.extend(changed_since.map(|_| updated));
            let start = match children.map(|children| pagination.read(children.get(), answer)) {
                Some(Ok(children)) => {
                    let first = read_objects(reader, &pagination, &children, &After::start(), Some(&id))?;
                    records.extend(first.records);
                    rejected.extend(first.rejected);
                    with_children.push(id.clone());
                    first.next
                }
                // The parent doesn't carry the list, so it has to be asked for.
                Some(Err(_)) | None => Some(After::start()),
            };
            if child.together.is_some() {
                together.push(id.clone());
            } else if let Some(after) = start {
                let values = values_of(item.get(), &wanted)
                    .map_err(|missing| format!("the {} {id} has nothing at {missing}", parents.title))?;
                let beneath = Beneath::Object { id: id.clone(), values };
                unfinished.push_back(Reading::behind(beneath, after));
            }
            ids.push(id);
        }
        if let Some(Together { size, .. }) = &child.together {
            let ids = together.chunks(size.get()).map(<[String]>::to_vec);
            unfinished.extend(ids.map(|ids| Reading::of(Beneath::Parents { ids })));
        }
        let is_over = !has_young && parents.updated.as_ref().is_some_and(|updated| updated.newest_first);
        let then = match single(parents, beneath) {
            true => None,
            false => self.pagination(parents, level).next(&list, &ids, after)?.filter(|_| !is_over),
        };
        if changed_since.is_none() {
            changed.extend(records.iter().map(|record| record.updated_at));
        }
        remove_repetitions(&mut records);
        let listed = match beneath.id() {
            None => ids,
            Some(outer) => ids.iter().map(|id| format!("{outer} {id}")).collect(),
        };
        if !position.is_outermost() {
            created.clear();
        }
        let page = Page::leading_to(then, unfinished, position, answer);
        let known = page.known.filter(|_| !self.pagination(parents, level).is_full(&list));
        Ok(Page { records, rejected, created, changed, listed, parents: with_children, known, ..page })
    }
}

/// Whether what the value names is in a list of one of the `wider` values. Names of accounts have no case.
fn is_within(value: &str, wider: &[String]) -> bool {
    let first = value.split_once('/').map(|(first, _)| first);
    first.is_some_and(|first| wider.iter().any(|wider| wider.eq_ignore_ascii_case(first)))
}

/// The path of a collection's list beneath something, and whether one object is the answer.
pub(crate) fn path_of<'a>(collection: &'a CollectionRef, beneath: &Beneath) -> Option<(&'a Template, bool)> {
    match (&collection.path, beneath) {
        (Paths::One(path), _) => Some((path, false)),
        (Paths::ByOption(paths), Beneath::Option { name, .. }) => {
            paths.iter().find(|path| path.option == *name).map(|path| (&path.path, path.single))
        }
        (Paths::ByOption(_), _) => None,
    }
}

fn single(collection: &CollectionRef, beneath: &Beneath) -> bool {
    path_of(collection, beneath).is_some_and(|(_, single)| single)
}

fn read_list<'a>(
    collection: &CollectionRef,
    pagination: &Pagination,
    beneath: &Beneath,
    answer: &Answer,
    text: &'a str,
) -> Result<List<'a>, String> {
    if single(collection, beneath) { List::of_one(text) } else { pagination.read(text, answer) }
}

/// What a child's path and parameters have of its parent beside the id: the name, and where it is.
fn wanted_of_parents(child: &CollectionRef) -> Vec<(String, Pointer)> {
    let names = child.names_of_parent().filter_map(|name| name.strip_prefix("parent."));
    let inner = names.filter(|name| *name != "id");
    let at = |name: &str| Pointer::try_from(format!("/{}", name.replace('.', "/"))).ok();
    inner.filter_map(|name| Some((name.to_owned(), at(name)?))).collect()
}

/// The values in an object; `Err`: where there is none.
fn values_of(object: &str, wanted: &[(String, Pointer)]) -> Result<BTreeMap<String, String>, String> {
    let value = |(name, at): &(String, Pointer)| {
        let [found] = pointer::follow(object, [Some(at)]).map_err(|_| at.to_string())?;
        let value = found.and_then(identifier).ok_or_else(|| at.to_string())?;
        Ok((name.clone(), value))
    };
    wanted.iter().map(value).collect()
}

/// The objects of a list, without repetitions, and where the list goes on.
struct Objects {
    records: Vec<Record>,
    rejected: Vec<Rejected>,
    /// Of each object that was listed, in the list's order.
    created: Vec<Option<Timestamp>>,
    changed: Vec<Option<Timestamp>>,
    /// Of each that has one, as the list has it.
    ids: Vec<String>,
    next: Option<After>,
}

fn read_objects(
    reader: &Reader,
    pagination: &Pagination,
    list: &List<'_>,
    after: &After,
    parent: Option<&str>,
) -> Result<Objects, String> {
    let mut records: Vec<Record> = Vec::with_capacity(list.items.len());
    let mut rejected = Vec::new();
    let mut created = Vec::with_capacity(list.items.len());
    let mut changed = Vec::with_capacity(list.items.len());
    let mut ids = Vec::with_capacity(list.items.len());
    for item in &list.items {
        match reader.read(item.get(), parent) {
            Ok(record) => {
                ids.push(reader.own_id(&record.upstream_id).to_owned());
                created.push(record.created_at);
                changed.push(record.updated_at);
                records.push(record);
            }
            Err(set_aside) => {
                ids.extend(set_aside.upstream_id.as_deref().map(|id| reader.own_id(id).to_owned()));
                created.push(None);
                changed.push(None);
                rejected.push(set_aside);
            }
        }
    }
    let next = pagination.next(list, &ids, after)?;
    remove_repetitions(&mut records);
    Ok(Objects { records, rejected, created, changed, ids, next })
}

/// The objects that a list has named. What the answer doesn't show is gone: that a list says, or a comparison with it.
fn read_batch(
    reader: &Reader,
    batch: &Batch,
    ids: &[String],
    position: &Position,
    answer: &Answer,
    text: &str,
) -> Result<Page, String> {
    batch.errors.as_ref().map_or(Ok(()), |errors| errors.check(text))?;
    let whole = Pagination::whole(batch.items.clone());
    let mut list = whole.read(text, answer)?;
    // Some say so in the place of an object.
    list.items.retain(|item| item.get() != "null");
    let Objects { mut records, rejected, .. } = read_objects(reader, &whole, &list, &After::start(), None)?;
    // An API may show, in place of what was asked for, the object that it was merged into.
    records.retain(|record| ids.contains(&record.upstream_id));
    let page = Page::leading_to(None, VecDeque::new(), position, answer);
    Ok(Page { records, rejected, listed: itself(position), ..page })
}

/// Of records with equal ids the last one stays.
pub(crate) fn remove_repetitions(records: &mut Vec<Record>) {
    let mut ids = std::collections::HashSet::with_capacity(records.len());
    let keep: Vec<bool> = records.iter().rev().map(|record| ids.insert(record.upstream_id.clone())).collect();
    let mut keep = keep.into_iter().rev();
    records.retain(|_| keep.next().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use std::time::SystemTime;
    use url::Url;

    fn listing(name: &str) -> Listing {
        Listing::whole(CollectionRef::new(catalogue::find("stripe").unwrap(), name).unwrap())
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            received_at: SystemTime::UNIX_EPOCH,
            url: Url::parse("https://api.stripe.com").unwrap(),
        }
    }

    fn start() -> Position {
        Position::at_start([Beneath::Root]).unwrap()
    }

    fn path(listing: &Listing, position: &Position) -> String {
        let url = listing.request(&Url::parse("https://api.stripe.com").unwrap(), position).url;
        url.as_str().trim_start_matches("https://api.stripe.com").to_owned()
    }

    const MISSING: &str = r#"{"error": {"code": "resource_missing"}}"#;

    fn ids(page: &Page) -> Vec<&str> {
        page.records.iter().map(|record| record.upstream_id.as_str()).collect()
    }

    #[test]
    fn pages_follow_one_another() {
        let customers = listing("customer");
        assert_eq!(path(&customers, &start()), "/v1/customers?limit=100");
        let page = answer(200, r#"{"data": [{"id": "c3"}, {"id": "c2"}], "has_more": true}"#);
        let page = customers.interpret(&start(), &page).unwrap();
        assert_eq!(ids(&page), ["c3", "c2"]);
        let next = page.next.unwrap();
        assert_eq!(path(&customers, &next), "/v1/customers?limit=100&starting_after=c2");
        let last = answer(200, r#"{"data": [{"id": "c1"}], "has_more": false}"#);
        assert_eq!(customers.interpret(&next, &last).unwrap().next, None);
    }

    #[test]
    fn bounds_and_constant_parameters_are_sent() {
        let bounded = |from, before| {
            let span = Span { from, before };
            path(&Listing { span, ..listing("customer") }, &start())
        };
        let (from, before) = ("created%5Bgte%5D=1700000000", "created%5Blt%5D=1800000000");
        assert_eq!(bounded(Some(1_700_000_000), None), format!("/v1/customers?{from}&limit=100"));
        assert_eq!(bounded(None, Some(1_800_000_000)), format!("/v1/customers?{before}&limit=100"));
        assert_eq!(
            bounded(Some(1_700_000_000), Some(1_800_000_000)),
            format!("/v1/customers?{from}&{before}&limit=100")
        );
        assert!(path(&listing("subscription"), &start()).contains("status=all"));
    }

    #[test]
    fn parents_have_bounds_of_their_own() {
        let span = Span { from: Some(1_700_000_000), before: None };
        let children_since = Timestamp::from_unix_seconds(1_600_000_000);
        let attempts = Listing { span, children_since, ..listing("setup_attempt") };
        assert_eq!(path(&attempts, &start()), "/v1/setup_intents?created%5Bgte%5D=1700000000&limit=100");
        assert_eq!(
            path(&attempts, &Position::of_parent("seti_1")),
            "/v1/setup_attempts?setup_intent=seti_1&created%5Bgte%5D=1600000000&limit=100"
        );
    }

    #[test]
    fn only_a_list_with_bounds_and_times_can_be_cut() {
        assert!(listing("customer").can_be_cut());
        assert!(listing("payment_method").can_be_cut(), "by its parents");
        assert!(!listing("quote").can_be_cut());
        assert!(!listing("terminal_location").can_be_cut());
    }

    #[test]
    fn a_page_says_when_its_objects_were_created() {
        let seconds = |page: &Page| -> Vec<Option<i64>> {
            page.created.iter().map(|at| at.map(Timestamp::unix_seconds)).collect()
        };
        let page = answer(
            200,
            r#"{"data": [{"id": "c3", "created": 30}, {"created": 20}, {"id": "c1", "created": 10}], "has_more": false}"#,
        );
        let page = listing("customer").interpret(&start(), &page).unwrap();
        assert_eq!(seconds(&page), [Some(30), None, Some(10)]);
        let page =
            answer(200, r#"{"data": [{"id": "cus_2", "created": 20}, {"id": "cus_1"}], "has_more": true}"#);
        let page = listing("payment_method").interpret(&start(), &page).unwrap();
        assert_eq!(seconds(&page), [Some(20), None], "those of the parents");
        let children = page.next.unwrap();
        assert_eq!(children.requests(), Some(3));
        let page = answer(200, r#"{"data": [{"id": "pm_1", "created": 5}], "has_more": false}"#);
        let page = listing("payment_method").interpret(&children, &page).unwrap();
        assert!(page.created.is_empty());
        assert_eq!(Position::of_parent("cus_1").requests(), None, "no list goes on behind it");
    }

    #[test]
    fn a_base_url_may_have_a_path() {
        let asked = listing("customer").request(&Url::parse("http://127.0.0.1:9/stripe/").unwrap(), &start());
        assert_eq!(asked.url.as_str(), "http://127.0.0.1:9/stripe/v1/customers?limit=100");
    }

    #[test]
    fn an_object_that_vanished_does_not_stop_the_walk() {
        let customers = listing("customer");
        let page = answer(200, r#"{"data": [{"id": "c3"}, {"id": "c2"}], "has_more": true}"#);
        let mut position = customers.interpret(&start(), &page).unwrap().next.unwrap();
        for expected in ["/v1/customers?limit=100&starting_after=c3", "/v1/customers?limit=100"] {
            position = customers.interpret(&position, &answer(404, MISSING)).unwrap().next.unwrap();
            assert_eq!(path(&customers, &position), expected);
        }
        let failure = customers.interpret(&position, &answer(404, MISSING)).unwrap_err();
        assert_eq!(failure.class, FailureClass::Missing, "a missing list is no empty list");
    }

    #[test]
    fn children_come_with_their_parents_or_are_asked_for() {
        let items = listing("subscription_item");
        assert!(path(&items, &start()).starts_with("/v1/subscriptions?"));
        let page = answer(
            200,
            r#"{"has_more": true, "data": [
                {"id": "sub_2", "items": {"has_more": true, "data": [{"id": "si_3", "subscription": "sub_2"}]}},
                {"id": "sub_1", "items": {"has_more": false, "data": [{"id": "si_1", "subscription": "sub_1"}]}},
                {"id": "sub_0"}]}"#,
        );
        let page = items.interpret(&start(), &page).unwrap();
        assert_eq!(ids(&page), ["si_3", "si_1"]);
        assert_eq!(page.records[1].parent_id.as_deref(), Some("sub_1"));
        let position = page.next.unwrap();
        assert_eq!(
            path(&items, &position),
            "/v1/subscription_items?subscription=sub_2&limit=100&starting_after=si_3"
        );
        let rest = answer(200, r#"{"has_more": false, "data": [{"id": "si_2", "subscription": "sub_2"}]}"#);
        let position = items.interpret(&position, &rest).unwrap().next.unwrap();
        assert_eq!(path(&items, &position), "/v1/subscription_items?subscription=sub_0&limit=100");
        let gone = items.interpret(&position, &answer(404, MISSING)).unwrap().next.unwrap();
        assert!(path(&items, &gone).starts_with("/v1/subscriptions?"));
        assert!(path(&items, &gone).ends_with("starting_after=sub_0"));
    }

    #[test]
    fn one_parents_children_can_be_listed_alone() {
        let items = listing("subscription_item");
        let position = Position::of_parent("sub_1");
        assert_eq!(path(&items, &position), "/v1/subscription_items?subscription=sub_1&limit=100");
        let page = items.interpret(&position, &answer(200, r#"{"data": [], "has_more": false}"#)).unwrap();
        assert_eq!(page.next, None);
        assert_eq!(items.interpret(&position, &answer(404, MISSING)).unwrap().next, None);
    }

    #[test]
    fn odd_objects_do_not_stop_their_page() {
        let page = answer(
            200,
            r#"{"data": [{"id": "c3", "v": 1}, {"name": "no id"}, {"id": "c3", "v": 2}, {"id": "c2"}], "has_more": false}"#,
        );
        let page = listing("customer").interpret(&start(), &page).unwrap();
        assert_eq!(ids(&page), ["c3", "c2"]);
        assert!(page.records[0].data.as_ref().is_some_and(|data| data.contains("2")));
        assert_eq!(page.rejected.len(), 1);
    }

    #[test]
    fn what_is_no_list_is_never_taken_for_an_empty_one() {
        let customers = listing("customer");
        for body in [
            "",
            "<html>",
            "{}",
            "[]",
            "null",
            r#"{"data": null, "has_more": false}"#,
            r#"{"data": []}"#,
            r#"{"data": [], "has_more": "no"}"#,
            r#"{"data": [{"id": "c1"}], "has_more": true"#,
            r#"{"data": [], "has_more": true}"#,
        ] {
            let failure = customers.interpret(&start(), &answer(200, body)).unwrap_err();
            assert_eq!(failure.class, FailureClass::BadData, "{body:?}");
        }
    }

    #[test]
    fn a_list_that_goes_in_circles_is_noticed() {
        let customers = listing("customer");
        let page = answer(200, r#"{"data": [{"id": "c1"}], "has_more": true}"#);
        let next = customers.interpret(&start(), &page).unwrap().next.unwrap();
        assert_eq!(customers.interpret(&next, &page).unwrap_err().class, FailureClass::BadData);
    }
}
