//! Questions to an API, and what the answers were understood to say.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::IF_NONE_MATCH};
use sequin_domain::{
    failure::{Failure, FailureClass},
    secret::Mask,
    timestamp::Timestamp,
};
use sequin_net::{Balance, Interpretation, LaneId, Priority, Request, Response, Task, TransportError};
use sequin_provider::{
    answer::{Answer, Points},
    batch_write::{BatchWrite, Outcome},
    declaration::{CollectionRef, Declaration, Limits},
    event::{self, Events},
    kinds::Listed,
    listing::{Known, Listing, Page},
    made::Made,
    object,
    pages::After,
    position::Position,
    probe::Identity,
    properties::{self, Property},
    record::{Record, Rejected},
    refusal::Refusal,
    request,
    token::Granted,
    write::{Change, Unwritable},
};
use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, SystemTime},
};
use url::Url;

/// Where a credential's requests go, and with what.
#[derive(Debug, Clone)]
pub struct Target {
    pub lane: LaneId,
    pub base: Url,
    pub headers: HeaderMap,
    pub timeout: Duration,
    /// What the API must not be quoted with.
    pub secrets: Arc<Mask>,
}

impl Target {
    pub fn new(
        lane: LaneId,
        base: Url,
        timeout: Duration,
        declaration: &Declaration,
        secret: Vec<(HeaderName, HeaderValue)>,
        secrets: Mask,
    ) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in &declaration.headers {
            let unusable = |_| {
                Failure::new(FailureClass::BadRequest, format!("the declared header {name:?} is invalid"))
            };
            let value = HeaderValue::from_str(value).map_err(|_| ()).map_err(unusable)?;
            headers.insert(HeaderName::try_from(name).map_err(|_| ()).map_err(unusable)?, value);
        }
        headers.extend(secret);
        let secrets = Arc::new(with_headers(secrets, &headers));
        Ok(Self { lane, base, headers, timeout, secrets })
    }
}

/// Hides what stands in secret headers too: behind the scheme, where there is one.
pub fn with_headers(mut secrets: Mask, headers: &HeaderMap) -> Mask {
    for value in headers.values().filter(|value| value.is_sensitive()) {
        if let Some(word) = value.to_str().ok().and_then(|text| text.rsplit(' ').next()) {
            secrets.add(word.into());
        }
    }
    secrets
}

/// Something that is asked of an API.
#[derive(Debug, Clone)]
pub enum Question {
    /// `known`: what the answer was the last time.
    Page {
        listing: Arc<Listing>,
        position: Position,
        known: Option<Arc<Known>>,
    },
    Children {
        listing: Arc<Listing>,
        position: Position,
    },
    /// `properties`: what is to be shown of it, where the API wants to be told.
    Object {
        collection: CollectionRef,
        properties: Arc<[String]>,
        upstream_id: String,
    },
    /// Which properties have its objects?
    Properties {
        collection: CollectionRef,
    },
    Events {
        declaration: Arc<Declaration>,
        feed: String,
        since: Option<Timestamp>,
        after: After,
    },
    Write(Box<Change>),
    /// Several changes of one kind.
    WriteTogether(BatchWrite),
    /// What has become of a change?
    Look(Box<Change>),
}

pub enum Reply {
    Page(Page),
    Children {
        page: Page,
        is_parent_gone: bool,
    },
    Object(Result<Record, Rejected>),
    Properties(Vec<Property>),
    /// The kinds of objects that the account has.
    Kinds(Vec<Listed>),
    Events(Events),
    /// What a change has made of an object.
    Written {
        made: Made,
        received_at: SystemTime,
    },
    /// What has come of each.
    WrittenTogether {
        outcomes: Vec<Outcome>,
        received_at: SystemTime,
    },
    /// The object that a change is about; `None` where there is none.
    Seen(Option<Made>),
    /// A token for the credential itself.
    Granted(Box<Granted>),
    /// Who the credential is.
    Identity(Identity),
}

/// The outcome of a question.
pub struct Answered {
    /// When the request was sent: what the answer shows was so then, or later.
    pub sent_at: SystemTime,
    /// For how long the API wants nothing more to be asked.
    pub pause: Option<Duration>,
    /// What it says of the points that requests cost.
    pub balance: Option<Balance>,
    /// Whether the API may have received the request.
    pub has_arrived: bool,
    /// Whether the request doesn't count against the API's limit.
    pub is_free: bool,
    /// What it has said of a change that failed.
    pub refusal: Option<Box<Refusal>>,
    pub result: Result<Reply, Failure>,
}

impl Answered {
    /// No answer could be had, as nothing was sent.
    pub fn failed(sent_at: SystemTime, failure: Failure) -> Self {
        Self {
            sent_at,
            pause: failure.pause(),
            balance: None,
            has_arrived: false,
            is_free: false,
            refusal: None,
            result: Err(failure),
        }
    }

    /// No answer has come, or none that could be read.
    pub fn lost(sent_at: SystemTime, failure: Failure) -> Self {
        Self { has_arrived: true, ..Self::failed(sent_at, failure) }
    }

    /// The same with none of the secrets that the API was sent in its words.
    pub fn without(self, secrets: &Mask) -> Self {
        let refusal = self.refusal.map(|refusal| Box::new(refusal.without(secrets)));
        let result = match self.result {
            Ok(Reply::WrittenTogether { outcomes, received_at }) => {
                let outcomes = outcomes.into_iter().map(|outcome| outcome.without(secrets)).collect();
                Ok(Reply::WrittenTogether { outcomes, received_at })
            }
            result => result.map_err(|failure| failure.without(secrets)),
        };
        Self { result, refusal, ..self }
    }
}

impl Interpretation for Answered {
    fn pause(&self) -> Option<Duration> {
        self.pause
    }

    fn is_free(&self) -> bool {
        self.is_free
    }

    fn balance(&self) -> Option<Balance> {
        self.balance
    }
}

impl Question {
    /// The task that asks it. The answer is read on the network thread.
    pub fn into_task(self, id: u64, priority: Priority, target: &Target) -> Result<Task<Answered>, Failure> {
        let (request, points) = (self.request(target)?, self.points());
        let budgets = self.declaration().rate_limit.further(&target.base, &request.url);
        let secrets = target.secrets.clone();
        let interpret = Box::new(move |outcome: Result<Response, sequin_net::Failure>| {
            self.interpret(outcome).without(&secrets)
        });
        Ok(Task { id, lane: target.lane, priority, budgets, points, request, interpret })
    }

    /// How many points it may cost, where the API counts them.
    fn points(&self) -> u32 {
        match self {
            Self::Page { listing, position, .. } | Self::Children { listing, position } => {
                listing.points(position)
            }
            _ => reserve(self.declaration()),
        }
    }

    fn known(&self) -> Option<&Known> {
        match self {
            Self::Page { known, .. } => known.as_deref(),
            _ => None,
        }
    }

    fn request(&self, target: &Target) -> Result<Request, Failure> {
        let base = &target.base;
        let get = |url| request::Request { method: Method::GET, url, headers: HeaderMap::new(), body: None };
        let asked = match self {
            Self::Page { listing, position, .. } | Self::Children { listing, position } => {
                Some(listing.request(base, position))
            }
            Self::Object { collection, properties, upstream_id } => {
                object::request(base, collection, upstream_id, properties)
            }
            Self::Properties { collection } => properties::url(base, collection).map(get),
            Self::Events { declaration, feed, since, after } => declaration
                .feeds
                .get(feed)
                .map(|feed| get(event::url(base, declaration, feed, *since, after))),
            Self::Write(change) => Some(change.request(base).map_err(unwritable)?),
            Self::WriteTogether(together) => Some(together.request(base).map_err(unwritable)?),
            Self::Look(change) => change.look(base),
        };
        let asked = asked.ok_or_else(|| {
            Failure::new(FailureClass::BadRequest, "the declaration of the provider doesn't say where to ask")
        })?;
        let request::Request { method, url, headers: own, body } = asked;
        // The credential is for the API, and for no other server that it names.
        let mut headers = if self.is_elsewhere() { HeaderMap::new() } else { target.headers.clone() };
        headers.extend(own);
        if let Some(etag) = self.known().and_then(|known| HeaderValue::from_str(&known.etag).ok()) {
            headers.insert(IF_NONE_MATCH, etag);
        }
        Ok(Request { method, url, headers, body, timeout: target.timeout })
    }

    /// Whether it is another server than the API's that is asked.
    fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Page { listing, position, .. } if listing.is_elsewhere(position))
    }

    fn declaration(&self) -> &Declaration {
        match self {
            Self::Page { listing, .. } | Self::Children { listing, .. } => &listing.collection.declaration,
            Self::Object { collection, .. } | Self::Properties { collection } => &collection.declaration,
            Self::Events { declaration, .. } => declaration,
            Self::Write(change) | Self::Look(change) => &change.collection.declaration,
            Self::WriteTogether(together) => &together.collection.declaration,
        }
    }

    /// What the API says in an answer that is a failure.
    fn refusal(&self, answer: &Answer) -> Option<Box<Refusal>> {
        match self {
            Self::Write(change) => Some(Box::new(change.refusal(answer))),
            Self::WriteTogether(_) | Self::Look(_) => {
                Some(Box::new(Refusal::new(self.declaration(), answer)))
            }
            _ => None,
        }
    }

    fn interpret(self, outcome: Result<Response, sequin_net::Failure>) -> Answered {
        match outcome {
            Ok(Response { url, status, headers, body, sent_at, elapsed }) => {
                let answer = Answer { status, headers, body, received_at: sent_at + elapsed, url };
                let limits = &self.declaration().rate_limit;
                let (until_reset, balance) = match self.is_elsewhere() {
                    true => (None, None),
                    false => (answer.pause(limits), balance(&answer, limits)),
                };
                let is_free = limits.unchanged_is_free && answer.status == StatusCode::NOT_MODIFIED;
                let refusal = self.refusal(&answer);
                let result = self.read(&answer);
                let asked_for = result.as_ref().err().and_then(Failure::pause);
                let refusal = refusal.filter(|_| result.is_err());
                let pause = asked_for.max(until_reset);
                Answered { sent_at, pause, balance, has_arrived: true, is_free, refusal, result }
            }
            Err(sequin_net::Failure { error, sent_at: Some(sent_at) }) => {
                Answered::lost(sent_at, classify(&error))
            }
            Err(sequin_net::Failure { error, sent_at: None }) => {
                Answered::failed(SystemTime::now(), classify(&error))
            }
        }
    }

    fn read(self, answer: &Answer) -> Result<Reply, Failure> {
        match self {
            Self::Page { known: Some(known), position, .. } if answer.status == StatusCode::NOT_MODIFIED => {
                Ok(Reply::Page(Page::unchanged(known, &position, answer)))
            }
            Self::Page { listing, position, .. } => listing.interpret(&position, answer).map(Reply::Page),
            Self::Children { listing, position } => match listing.interpret(&position, answer)? {
                Page { unread: Some(unread), .. } => Err(unread.failure),
                page => Ok(Reply::Children { is_parent_gone: page.is_missing, page }),
            },
            Self::Object { collection, upstream_id, .. } => {
                object::interpret(&collection, &upstream_id, answer).map(Reply::Object)
            }
            Self::Properties { collection } => {
                properties::interpret(&collection, answer).map(Reply::Properties)
            }
            Self::Events { declaration, feed, after, .. } => match declaration.feeds.get(&feed) {
                Some(feed) => event::interpret(&declaration, feed, &after, answer).map(Reply::Events),
                None => Err(Failure::new(FailureClass::BadRequest, format!("there is no feed {feed:?}"))),
            },
            Self::Write(change) => {
                change.interpret(answer).map(|made| Reply::Written { made, received_at: answer.received_at })
            }
            Self::WriteTogether(together) => together
                .interpret(answer)
                .map(|outcomes| Reply::WrittenTogether { outcomes, received_at: answer.received_at }),
            Self::Look(change) => change.seen(answer).map(Reply::Seen),
        }
    }
}

/// How many points are set aside for a request of which no more is known, where the API counts them.
pub fn reserve(declaration: &Declaration) -> u32 {
    declaration.rate_limit.cost.as_ref().and_then(|cost| cost.reserve).map_or(0, NonZeroU32::get)
}

/// What an answer says of the points that requests cost.
pub fn balance(answer: &Answer, limits: &Limits) -> Option<Balance> {
    let Points { available, restored_per_second, maximum, spent } = answer.points(limits)?;
    Some(Balance { available, per_second: restored_per_second, maximum, spent })
}

fn unwritable(problem: Unwritable) -> Failure {
    Failure::new(FailureClass::BadRequest, problem.to_string())
}

/// What it means that no whole answer came.
pub fn classify(error: &TransportError) -> Failure {
    let class = match error {
        TransportError::Invalid { .. }
        | TransportError::Insecure { .. }
        | TransportError::RefusedAddress { .. }
        | TransportError::BadRedirect { .. }
        | TransportError::NoTrustedRoots { .. } => FailureClass::BadRequest,
        // Somebody has to change something, and then it shall go on soon.
        TransportError::Tls { .. } | TransportError::Unusable { .. } => FailureClass::Unknown,
        TransportError::TooLarge { .. } => FailureClass::BadData,
        _ => FailureClass::Transient,
    };
    Failure::new(class, error.to_string())
}
