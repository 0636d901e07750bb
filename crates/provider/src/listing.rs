//! Walking through the list of a collection, page by page.

use crate::{
    answer::Answer,
    declaration::{CollectionRef, Pagination, Tombstones},
    pages::{After, List},
    pointer,
    record::{Reader, Record, Rejected, identifier},
};
use sequin_domain::{
    failure::{Failure, FailureClass},
    ranges::Span,
    timestamp::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use url::Url;

/// Where a walk goes on. It is what a backfill keeps in the database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// A page of the collection; of its parents, where it is nested. `restarts`: how often the list had to be read from
    /// its start again.
    Page { after: After, restarts: u8 },
    /// The children of parents that have been listed, first the first one's; then the parents go on.
    Children { parents: VecDeque<ParentPosition>, then: Option<After> },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ParentPosition {
    id: String,
    after: After,
}

/// How often a list is read from its start again because the API doesn't know where to go on.
const MOST_RESTARTS: u8 = 3;

impl Position {
    /// Before the first page.
    pub fn start() -> Self {
        Self::Page { after: After::start(), restarts: 0 }
    }

    /// The children of one parent, from the first on.
    pub fn of_parent(id: &str) -> Self {
        let parents = [ParentPosition { id: id.to_owned(), after: After::start() }].into();
        Self::Children { parents, then: None }
    }

    /// How many requests there are until the list goes on behind this position; `None` where it doesn't.
    pub fn requests(&self) -> Option<u64> {
        match self {
            Self::Page { .. } => Some(1),
            Self::Children { parents, then } => then.as_ref().map(|_| parents.len() as u64 + 1),
        }
    }

    /// Where to go on when the API says that something this position names is missing: from the object before, or from
    /// the start of the list, or past a parent that is gone. `None` where nothing is left to list, as the error is about
    /// the position itself.
    pub fn past_missing(&self) -> Result<Option<Self>, NothingMissing> {
        let mut position = self.clone();
        match &mut position {
            Self::Page { after, restarts } => {
                if !after.step_back() {
                    return Err(NothingMissing);
                }
                if after.is_start() {
                    *restarts += 1;
                }
                // An API that never knows where to go on would be asked for ever.
                if *restarts > MOST_RESTARTS { Err(NothingMissing) } else { Ok(Some(position)) }
            }
            Self::Children { parents, then } => {
                let first = parents.front_mut().ok_or(NothingMissing)?;
                if !first.after.step_back() {
                    parents.pop_front();
                }
                Ok(Self::children(std::mem::take(parents), then.take()))
            }
        }
    }

    fn children(parents: VecDeque<ParentPosition>, then: Option<After>) -> Option<Self> {
        if parents.is_empty() {
            then.map(|after| Self::Page { after, restarts: 0 })
        } else {
            Some(Self::Children { parents, then })
        }
    }
}

/// The position names nothing that could be missing.
#[derive(Debug, PartialEq, Eq)]
pub struct NothingMissing;

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
    /// What of the list was shown: the ids of its objects; those of children behind their parent's, and that too.
    pub listed: Vec<String>,
    /// The API's clock when it answered.
    pub date: Timestamp,
}

impl Page {
    fn empty(answer: &Answer) -> Self {
        Self {
            records: Vec::new(),
            rejected: Vec::new(),
            next: None,
            created: Vec::new(),
            listed: Vec::new(),
            date: answer.date(),
        }
    }
}

/// A walk through a collection, or a part of it.
#[derive(Debug, Clone)]
pub struct Listing {
    pub collection: CollectionRef,
    /// Which objects, by the time of their creation, where the API can tell; in a nested collection, which parents.
    pub span: Span,
    /// Which children: those that were created from this instant on, where the API can tell.
    pub children_since: Option<Timestamp>,
    /// Which objects: those that were changed from this instant on; of tombstones, deleted.
    pub changed_since: Option<Timestamp>,
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
    /// All of a collection.
    pub fn whole(collection: CollectionRef) -> Self {
        Self {
            collection,
            span: Span::default(),
            children_since: None,
            changed_since: None,
            subject: Subject::Objects,
        }
    }

    /// The tombstones of a collection, which declares where they are listed.
    pub fn tombstones(collection: CollectionRef, since: Option<Timestamp>) -> Self {
        Self { changed_since: since, subject: Subject::Tombstones, ..Self::whole(collection) }
    }

    /// Whether the list can be cut: the API bounds it on both sides, and each object says when it was created.
    pub fn can_be_cut(&self) -> bool {
        let parents = self.collection.parent_collection();
        let listed = parents.as_ref().unwrap_or(&self.collection);
        listed.created.as_ref().is_some_and(|created| created.before.is_some())
            && listed.shape().created_at.is_some()
    }

    /// The address of the page at `position`.
    pub fn url(&self, base: &Url, position: &Position) -> Url {
        match position {
            Position::Page { after, .. } => match (self.subject, &self.collection.deleted) {
                (Subject::Tombstones, Some(deleted)) => self.tombstones_url(base, deleted, after),
                _ => {
                    let parents = self.collection.parent_collection();
                    self.list_url(base, parents.as_ref().unwrap_or(&self.collection), None, after, self.span)
                }
            },
            Position::Children { parents, .. } => match parents.front() {
                Some(parent) => {
                    let span = Span { from: self.children_since.map(Timestamp::unix_seconds), before: None };
                    self.list_url(base, &self.collection, Some(parent.id.as_str()), &parent.after, span)
                }
                None => unreachable!("a position without parents is never made"),
            },
        }
    }

    fn list_url(
        &self,
        base: &Url,
        collection: &CollectionRef,
        parent: Option<&str>,
        after: &After,
        span: Span,
    ) -> Url {
        let names = |name: &str| (name == "parent.id").then_some(parent).flatten();
        let mut url = at_path(base, &collection.path.fill_path(names));
        let mut query = url.query_pairs_mut();
        for (name, template) in &collection.query {
            query.append_pair(name, &template.fill(names));
        }
        if let Some(created) = &collection.created {
            let bounds = [(Some(&created.from), span.from), (created.before.as_ref(), span.before)];
            for (name, second) in bounds.into_iter().filter_map(|(name, second)| name.zip(second)) {
                let instant = Timestamp::from_unix_seconds(second).unwrap_or_default();
                query.append_pair(name, &created.format.write(instant));
            }
        }
        if let Some((updated, since)) = collection.updated.as_ref().zip(self.changed_since) {
            query.append_pair(&updated.from, &updated.format.write(since));
            query.extend_pairs(&updated.query);
        }
        drop(query);
        collection.pagination().address(url, after)
    }

    fn tombstones_url(&self, base: &Url, deleted: &Tombstones, after: &After) -> Url {
        let mut url = at_path(base, &deleted.path);
        let mut query = url.query_pairs_mut();
        query.extend_pairs(&deleted.query);
        if let Some((name, since)) = deleted.from.as_ref().zip(self.changed_since) {
            query.append_pair(name, &deleted.format.write(since));
        }
        drop(query);
        self.pagination().address(url, after)
    }

    fn pagination(&self) -> &Pagination {
        let of_tombstones = match self.subject {
            Subject::Tombstones => {
                self.collection.deleted.as_ref().and_then(|deleted| deleted.pagination.as_ref())
            }
            Subject::Objects => None,
        };
        of_tombstones.unwrap_or_else(|| self.collection.pagination())
    }

    /// What the answer to the request at `position` says.
    pub fn interpret(&self, position: &Position, answer: &Answer) -> Result<Page, Failure> {
        let text = match answer.text(&self.collection.declaration) {
            Ok(text) => text,
            Err(failure) if failure.class == FailureClass::Missing => {
                return match position.past_missing() {
                    Ok(next) => Ok(Page { next, ..Page::empty(answer) }),
                    Err(NothingMissing) => Err(failure),
                };
            }
            Err(failure) => return Err(failure),
        };
        self.read(position, answer, &text).map_err(|problem| answer.bad_data(problem))
    }

    fn read(&self, position: &Position, answer: &Answer, text: &str) -> Result<Page, String> {
        let original = answer.original(text);
        match position {
            Position::Page { after, .. } if self.collection.parent.is_some() => {
                self.read_parents(&Reader::new(&self.collection, original), answer, text, after)
            }
            Position::Page { after, restarts } => {
                let pagination = self.pagination();
                let list = pagination.read(text, answer)?;
                let reader = match (self.subject, &self.collection.deleted) {
                    (Subject::Tombstones, Some(deleted)) => Reader::of_tombstones(deleted, original),
                    _ => Reader::new(&self.collection, original),
                };
                let Objects { records, rejected, created, ids, next } =
                    read_objects(&reader, pagination, &list, after, None)?;
                let records = match self.subject {
                    Subject::Objects => records,
                    Subject::Tombstones => records.into_iter().map(Record::buried).collect(),
                };
                let next = next.map(|after| Position::Page { after, restarts: *restarts });
                Ok(Page { records, rejected, next, created, listed: ids, date: answer.date() })
            }
            Position::Children { parents, then } => {
                let mut parents = parents.clone();
                let Some(parent) = parents.pop_front() else {
                    unreachable!("a position without parents is never made")
                };
                let pagination = self.collection.pagination();
                let list = pagination.read(text, answer)?;
                let reader = Reader::new(&self.collection, original);
                let Objects { records, rejected, ids, next, .. } =
                    read_objects(&reader, pagination, &list, &parent.after, Some(&parent.id))?;
                let children = ids.iter().map(|id| format!("{} {id}", parent.id));
                let listed = std::iter::once(parent.id.clone()).chain(children).collect();
                if let Some(after) = next {
                    parents.push_front(ParentPosition { after, ..parent });
                }
                let next = Position::children(parents, then.clone());
                Ok(Page { records, rejected, next, listed, ..Page::empty(answer) })
            }
        }
    }

    /// A page of parents: the children embedded in them, and who has more.
    fn read_parents(
        &self,
        reader: &Reader,
        answer: &Answer,
        text: &str,
        after: &After,
    ) -> Result<Page, String> {
        let parents = self.collection.parent_collection().ok_or("the collection is not nested")?;
        let list = parents.pagination().read(text, answer)?;
        let pagination = self.collection.pagination();
        let shape = parents.shape();
        let created_at = shape.created_at.as_ref();
        let embedded = self.collection.parent.as_ref().and_then(|parent| parent.embedded.as_ref());
        let mut page = Page::empty(answer);
        let mut unfinished = VecDeque::new();
        for item in &list.items {
            let pointers = [Some(&shape.id), embedded, created_at.map(|moment| &moment.at)];
            let [id, children, created] =
                pointer::follow(item.get(), pointers).map_err(|error| error.to_string())?;
            let id = id.and_then(identifier).ok_or_else(|| format!("a {} has no id", parents.title))?;
            page.listed.push(id.clone());
            page.created.push(created_at.zip(created).and_then(|(moment, raw)| moment.format.read(raw)));
            let start = match children.map(|children| pagination.read_embedded(children.get())) {
                Some(Ok(children)) => {
                    let Objects { records, rejected, next, .. } =
                        read_objects(reader, pagination, &children, &After::start(), Some(&id))?;
                    page.records.extend(records);
                    page.rejected.extend(rejected);
                    next
                }
                // The parent doesn't carry the list, so it has to be asked for.
                Some(Err(_)) | None => Some(After::start()),
            };
            unfinished.extend(start.map(|after| ParentPosition { id, after }));
        }
        let then = parents.pagination().next(&list, &page.listed, after)?;
        remove_repetitions(&mut page.records);
        page.next = Position::children(unfinished, then);
        Ok(page)
    }
}

/// The objects of a list, without repetitions, and where the list goes on.
struct Objects {
    records: Vec<Record>,
    rejected: Vec<Rejected>,
    /// Of each object that was listed, in the list's order.
    created: Vec<Option<Timestamp>>,
    /// Of each that has one.
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
    let mut ids = Vec::with_capacity(list.items.len());
    for item in &list.items {
        match reader.read(item.get(), parent) {
            Ok(record) => {
                ids.push(record.upstream_id.clone());
                created.push(record.created_at);
                records.push(record);
            }
            Err(set_aside) => {
                ids.extend(set_aside.upstream_id.clone());
                created.push(None);
                rejected.push(set_aside);
            }
        }
    }
    let next = pagination.next(list, &ids, after)?;
    remove_repetitions(&mut records);
    Ok(Objects { records, rejected, created, ids, next })
}

/// Of records with equal ids the last one stays.
fn remove_repetitions(records: &mut Vec<Record>) {
    let mut ids = std::collections::HashSet::with_capacity(records.len());
    let keep: Vec<bool> = records.iter().rev().map(|record| ids.insert(record.upstream_id.clone())).collect();
    let mut keep = keep.into_iter().rev();
    records.retain(|_| keep.next().unwrap_or(true));
}

/// `base` with the path of an endpoint behind its own.
pub(crate) fn at_path(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use std::time::SystemTime;

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

    fn path(listing: &Listing, position: &Position) -> String {
        let url = listing.url(&Url::parse("https://api.stripe.com").unwrap(), position);
        url.as_str().trim_start_matches("https://api.stripe.com").to_owned()
    }

    const MISSING: &str = r#"{"error": {"code": "resource_missing"}}"#;

    fn ids(page: &Page) -> Vec<&str> {
        page.records.iter().map(|record| record.upstream_id.as_str()).collect()
    }

    #[test]
    fn pages_follow_one_another() {
        let customers = listing("customer");
        assert_eq!(path(&customers, &Position::start()), "/v1/customers?limit=100");
        let page = answer(200, r#"{"data": [{"id": "c3"}, {"id": "c2"}], "has_more": true}"#);
        let page = customers.interpret(&Position::start(), &page).unwrap();
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
            path(&Listing { span, ..listing("customer") }, &Position::start())
        };
        let (from, before) = ("created%5Bgte%5D=1700000000", "created%5Blt%5D=1800000000");
        assert_eq!(bounded(Some(1_700_000_000), None), format!("/v1/customers?{from}&limit=100"));
        assert_eq!(bounded(None, Some(1_800_000_000)), format!("/v1/customers?{before}&limit=100"));
        assert_eq!(
            bounded(Some(1_700_000_000), Some(1_800_000_000)),
            format!("/v1/customers?{from}&{before}&limit=100")
        );
        assert!(path(&listing("subscription"), &Position::start()).contains("status=all"));
    }

    #[test]
    fn parents_have_bounds_of_their_own() {
        let span = Span { from: Some(1_700_000_000), before: None };
        let children_since = Timestamp::from_unix_seconds(1_600_000_000);
        let attempts = Listing { span, children_since, ..listing("setup_attempt") };
        assert_eq!(
            path(&attempts, &Position::start()),
            "/v1/setup_intents?created%5Bgte%5D=1700000000&limit=100"
        );
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
        let page = listing("customer").interpret(&Position::start(), &page).unwrap();
        assert_eq!(seconds(&page), [Some(30), None, Some(10)]);
        let page =
            answer(200, r#"{"data": [{"id": "cus_2", "created": 20}, {"id": "cus_1"}], "has_more": true}"#);
        let page = listing("payment_method").interpret(&Position::start(), &page).unwrap();
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
        let url =
            listing("customer").url(&Url::parse("http://127.0.0.1:9/stripe/").unwrap(), &Position::start());
        assert_eq!(url.as_str(), "http://127.0.0.1:9/stripe/v1/customers?limit=100");
    }

    #[test]
    fn an_object_that_vanished_does_not_stop_the_walk() {
        let customers = listing("customer");
        let page = answer(200, r#"{"data": [{"id": "c3"}, {"id": "c2"}], "has_more": true}"#);
        let mut position = customers.interpret(&Position::start(), &page).unwrap().next.unwrap();
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
        assert!(path(&items, &Position::start()).starts_with("/v1/subscriptions?"));
        let page = answer(
            200,
            r#"{"has_more": true, "data": [
                {"id": "sub_2", "items": {"has_more": true, "data": [{"id": "si_3", "subscription": "sub_2"}]}},
                {"id": "sub_1", "items": {"has_more": false, "data": [{"id": "si_1", "subscription": "sub_1"}]}},
                {"id": "sub_0"}]}"#,
        );
        let page = items.interpret(&Position::start(), &page).unwrap();
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
        let page = listing("customer").interpret(&Position::start(), &page).unwrap();
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
            let failure = customers.interpret(&Position::start(), &answer(200, body)).unwrap_err();
            assert_eq!(failure.class, FailureClass::BadData, "{body:?}");
        }
    }

    #[test]
    fn a_list_that_goes_in_circles_is_noticed() {
        let customers = listing("customer");
        let page = answer(200, r#"{"data": [{"id": "c1"}], "has_more": true}"#);
        let next = customers.interpret(&Position::start(), &page).unwrap().next.unwrap();
        assert_eq!(customers.interpret(&next, &page).unwrap_err().class, FailureClass::BadData);
    }

    #[test]
    fn a_position_survives_the_database() {
        let parents =
            [ParentPosition { id: "sub_1".into(), after: After::Ids(["si_1".into()].into()) }].into();
        for position in [
            Position::start(),
            Position::Children {
                parents,
                then: Some(After::Given("https://api.example.com/?page=2".into())),
            },
        ] {
            let text = serde_json::to_string(&position).unwrap();
            assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), position);
        }
    }
}
