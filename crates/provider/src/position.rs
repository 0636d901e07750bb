//! Where a walk through lists goes on.

use crate::pages::After;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use std::collections::{BTreeMap, VecDeque};

/// Where a walk goes on. It is what a backfill keeps in the database.
///
/// A collection may stand beneath the objects of another one, and that beneath those of a third. So a walk is in the middle
/// of several lists at once, one on each level.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// What is left to be read on each level, from the outermost on. The next page is the first list's of the last level.
    #[serde(deserialize_with = "unfinished")]
    levels: Vec<VecDeque<Reading>>,
}

/// A list, and where it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reading {
    pub(crate) beneath: Beneath,
    pub(crate) after: After,
    /// How often it had to be read from its start again.
    #[serde(default, skip_serializing_if = "is_zero")]
    restarts: u8,
}

fn is_zero(restarts: &u8) -> bool {
    *restarts == 0
}

/// What a list belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beneath {
    /// The API as a whole.
    Root,
    /// What an option of the sync names.
    Option { name: String, value: String },
    /// An object of the parent collection: its id, and what else of it the child's path asks for.
    Object {
        id: String,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        values: BTreeMap<String, String>,
    },
    /// Nothing but a list that names them: these objects, which are read in one go.
    Objects { ids: Vec<String> },
    /// Several objects of the parent collection, whose lists are read in one go.
    Parents { ids: Vec<String> },
}

/// Levels as they were kept, in which there is a next page.
fn unfinished<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<VecDeque<Reading>>, D::Error> {
    let levels = Vec::<VecDeque<Reading>>::deserialize(deserializer)?;
    match levels.last().is_some_and(|lists| !lists.is_empty()) {
        true => Ok(levels),
        false => Err(D::Error::custom("nothing is left to be read")),
    }
}

/// How often a list is read from its start again because the API doesn't know where to go on.
const MOST_RESTARTS: u8 = 3;

/// What the names of an object's parent begin with in paths.
pub(crate) const OF_PARENT: &str = "parent.";

impl Beneath {
    /// The object's id, where it is one.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Object { id, .. } => Some(id),
            Self::Root | Self::Option { .. } | Self::Objects { .. } | Self::Parents { .. } => None,
        }
    }

    /// What a path or a parameter has in place of `{name}`.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        match self {
            Self::Root | Self::Objects { .. } | Self::Parents { .. } => None,
            Self::Option { name: own, value } => (own == name).then_some(value.as_str()),
            Self::Object { id, values } => match name.strip_prefix(OF_PARENT)? {
                "id" => Some(id),
                other => values.get(other).map(String::as_str),
            },
        }
    }
}

impl Reading {
    /// A list from its start on.
    pub(crate) fn of(beneath: Beneath) -> Self {
        Self::behind(beneath, After::start())
    }

    /// A list of which the first page is known.
    pub(crate) fn behind(beneath: Beneath, after: After) -> Self {
        Self { beneath, after, restarts: 0 }
    }
}

impl Position {
    /// Before the first page of the first of these lists; `None` where there is none.
    pub(crate) fn at_start(lists: impl IntoIterator<Item = Beneath>) -> Option<Self> {
        let lists: VecDeque<Reading> = lists.into_iter().map(Reading::of).collect();
        (!lists.is_empty()).then(|| Self { levels: vec![lists] })
    }

    /// The children of one parent, which stands beneath nothing else, from the first on.
    pub fn of_parent(id: &str) -> Self {
        let parent = Beneath::Object { id: id.to_owned(), values: BTreeMap::new() };
        Self { levels: vec![VecDeque::new(), [Reading::of(parent)].into()] }
    }

    /// These objects, which are read in one go.
    pub fn of_objects(ids: Vec<String>) -> Self {
        Self { levels: vec![[Reading::of(Beneath::Objects { ids })].into()] }
    }

    /// On which level the next page is: 0 is the outermost.
    pub(crate) fn level(&self) -> usize {
        self.levels.len() - 1
    }

    /// Whether the next page is one of the outermost list.
    pub fn is_outermost(&self) -> bool {
        self.level() == 0
    }

    /// Which page is the next, whatever else there is to be read: of which list, and on which level that is.
    pub fn page(&self) -> (usize, &Reading) {
        (self.level(), self.reading())
    }

    /// Whether the next page is of a list that stands beneath an object.
    pub fn is_beneath_an_object(&self) -> bool {
        self.reading().beneath.id().is_some()
    }

    /// The list whose next page it is.
    pub(crate) fn reading(&self) -> &Reading {
        match self.levels.last().and_then(VecDeque::front) {
            Some(reading) => reading,
            None => unreachable!("a position with nothing left to read is never made"),
        }
    }

    /// How many requests there are until the outermost list goes on behind this position; `None` where it doesn't.
    pub fn requests(&self) -> Option<u64> {
        let [outermost, inner @ ..] = self.levels.as_slice() else { return None };
        let inner: usize = inner.iter().map(VecDeque::len).sum();
        (!outermost.is_empty()).then_some(inner as u64 + 1)
    }

    /// Where to go on behind a page: with the lists beneath its objects first, and then `after` it. `None` at the end of
    /// everything.
    pub(crate) fn behind(&self, after: Option<After>, beneath: VecDeque<Reading>) -> Option<Self> {
        let mut position = self.clone();
        let lists = position.levels.last_mut()?;
        match (after, lists.front_mut()) {
            (Some(after), Some(list)) => list.after = after,
            _ => drop(lists.pop_front()),
        }
        position.levels.push(beneath);
        position.without_empty_levels()
    }

    /// Where to go on when these lists are to be read in place of the one that is next.
    pub(crate) fn with_instead(&self, lists: VecDeque<Reading>) -> Option<Self> {
        let mut position = self.clone();
        let level = position.levels.last_mut()?;
        level.pop_front();
        for list in lists.into_iter().rev() {
            level.push_front(list);
        }
        position.without_empty_levels()
    }

    fn without_empty_levels(mut self) -> Option<Self> {
        while self.levels.last().is_some_and(VecDeque::is_empty) {
            self.levels.pop();
        }
        (!self.levels.is_empty()).then_some(self)
    }

    /// Whether nothing of the list has been read yet.
    pub(crate) fn is_at_start_of_list(&self) -> bool {
        self.reading().after.is_start()
    }

    /// Where to go on when the API says that something this position names is missing: from the object before, or from
    /// the start of the list, or past a parent or an option's value that is gone. `Err` where it names nothing, and so
    /// the error is about the list of everything.
    pub fn past_missing(&self) -> Result<Option<Self>, NothingMissing> {
        let mut position = self.clone();
        let is_of_all = matches!(position.reading().beneath, Beneath::Root);
        // That objects are gone an answer says within itself; what is not there is the way to read them.
        if matches!(position.reading().beneath, Beneath::Objects { .. } | Beneath::Parents { .. }) {
            return Err(NothingMissing);
        }
        let list = position.levels.last_mut().and_then(VecDeque::front_mut).ok_or(NothingMissing)?;
        if !list.after.step_back() {
            // That a parent is gone is no wonder; what there is for all has to be there.
            return if is_of_all { Err(NothingMissing) } else { Ok(self.behind(None, VecDeque::new())) };
        }
        list.restarts += u8::from(list.after.is_start());
        // An API that never knows where to go on would be asked for ever.
        if list.restarts > MOST_RESTARTS { Err(NothingMissing) } else { Ok(Some(position)) }
    }

    /// Where to go on when the API forbids to read the list: behind it. `Err` where it is the list of everything.
    pub fn past_forbidden(&self) -> Result<Option<Self>, NothingMissing> {
        match self.reading().beneath {
            Beneath::Option { .. } | Beneath::Object { .. } => Ok(self.behind(None, VecDeque::new())),
            Beneath::Root | Beneath::Objects { .. } | Beneath::Parents { .. } => Err(NothingMissing),
        }
    }
}

/// The position names nothing that could be missing or forbidden by itself.
#[derive(Debug, PartialEq, Eq)]
pub struct NothingMissing;

#[cfg(test)]
mod tests {
    use super::*;

    fn object(id: &str) -> Beneath {
        Beneath::Object { id: id.to_owned(), values: BTreeMap::new() }
    }

    fn lists(ids: &[&str]) -> VecDeque<Reading> {
        ids.iter().map(|id| Reading::of(object(id))).collect()
    }

    fn given(cursor: &str) -> Option<After> {
        Some(After::Given(cursor.to_owned()))
    }

    #[test]
    fn the_innermost_lists_come_first_and_the_outer_ones_go_on_behind_them() {
        let start = Position::at_start([Beneath::Root]).unwrap();
        assert!(start.is_outermost());
        let repositories = start.behind(given("page 2"), lists(&["r1", "r2"])).unwrap();
        assert_eq!((repositories.level(), repositories.requests()), (1, Some(3)));
        let pulls = repositories.behind(None, lists(&["p1"])).unwrap();
        assert_eq!((pulls.level(), pulls.reading().beneath.id()), (2, Some("p1")));
        let second = pulls.behind(None, VecDeque::new()).unwrap();
        assert_eq!((second.level(), second.reading().beneath.id()), (1, Some("r2")));
        let more = second.behind(None, VecDeque::new()).unwrap();
        assert_eq!((more.level(), more.reading().after.clone()), (0, After::Given("page 2".into())));
        assert_eq!(more.behind(None, VecDeque::new()), None);
    }

    #[test]
    fn what_is_missing_or_forbidden_is_passed_over_unless_it_is_everything() {
        let option = |value: &str| Beneath::Option { name: "repositories".into(), value: value.into() };
        let start = Position::at_start([option("o/a"), option("o/b")]).unwrap();
        for past in [start.past_missing(), start.past_forbidden()] {
            assert_eq!(past.unwrap().unwrap().reading().beneath.value("repositories"), Some("o/b"));
        }
        assert_eq!(Position::at_start([option("o/b")]).unwrap().past_missing(), Ok(None));
        let all = Position::at_start([Beneath::Root]).unwrap();
        assert_eq!((all.past_missing(), all.past_forbidden()), (Err(NothingMissing), Err(NothingMissing)));
        let children = start.behind(None, lists(&["1"])).unwrap();
        assert_eq!(children.past_forbidden(), children.past_missing());
        let next = children.past_missing().unwrap().unwrap();
        assert_eq!(next.reading().beneath.value("repositories"), Some("o/b"));
        assert_eq!(Position::at_start([]), None);
        // A list that is read from its start once more leads back to nowhere, and that not for ever.
        let mut again = children;
        for _ in 0..MOST_RESTARTS {
            let further = again.behind(given("page 2"), VecDeque::new()).unwrap();
            let before = std::mem::replace(&mut again, further.past_missing().unwrap().unwrap());
            assert!(again != before && again.reading().after.is_start());
        }
        let further = again.behind(given("page 2"), VecDeque::new()).unwrap();
        assert_eq!(further.past_missing(), Err(NothingMissing));
    }

    #[test]
    fn a_position_survives_the_database() {
        let values = [("number".to_owned(), "7".to_owned())].into();
        let parent = Reading::of(Beneath::Object { id: "sub_1".into(), values });
        let start = Position::at_start([Beneath::Root]).unwrap();
        let within = start.behind(given("https://api.example.com/?page=2"), [parent].into()).unwrap();
        assert_eq!(within.reading().beneath.value("parent.number"), Some("7"));
        for position in [start, within, Position::of_parent("sub_1")] {
            let text = serde_json::to_string(&position).unwrap();
            assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), position);
        }
        for nothing in [r#"{"levels": []}"#, r#"{"levels": [[]]}"#] {
            assert!(serde_json::from_str::<Position>(nothing).is_err());
        }
    }
}
