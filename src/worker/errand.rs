//! Requests for a credential itself: for a token, and whether the API accepts it.

use super::{
    credential::{CredentialContext, Opened, unusable},
    request::{Answered, Reply, Target, balance, classify, reserve, with_headers},
};
use crate::settings::Settings;
use http::{HeaderMap, Method};
use sequin_domain::{
    failure::{Failure, FailureClass},
    secret::Mask,
};
use sequin_net::{Priority, Request, Response, Task};
use sequin_provider::{
    answer::Answer,
    declaration::{CollectionRef, Declaration},
    kinds,
    listing::Listing,
    probe::{self, Identity},
    request,
};
use std::{sync::Arc, time::SystemTime};
use url::Url;

/// Asks for a token.
pub fn renewal(
    id: u64,
    credential: &CredentialContext,
    opened: Opened,
    settings: &Settings,
) -> Result<Task<Answered>, Failure> {
    let Some((source, _)) = credential.token() else {
        return Err(Failure::new(FailureClass::BadRequest, "the credential is of a kind without tokens"));
    };
    let Opened { properties, code, base, secrets, .. } = opened;
    let asked = source
        .request(&base, &properties, code.as_ref(), SystemTime::now())
        .map_err(|problem| unusable(&problem))?;
    // What the declaration has sent with each request tells the API's version, and who asks.
    let Target { mut headers, base, .. } = Target::new(
        credential.lane,
        base,
        settings.request_timeout,
        &credential.declaration,
        Vec::new(),
        Mask::default(),
    )?;
    headers.extend(asked.headers);
    let secrets = Arc::new(with_headers(secrets, &headers));
    let source = source.clone();
    let (url, body) = (asked.url, Some(asked.body));
    let read = move |answer: &Answer| source.granted(answer).map(|granted| Reply::Granted(Box::new(granted)));
    let request = Request { method: Method::POST, url, headers, body, timeout: settings.request_timeout };
    // Tokens cost none.
    Ok(task(id, credential, &base, 0, request, secrets, read))
}

/// Asks who the credential is: by the request that is declared for that, or else by the first list.
pub fn check(id: u64, credential: &CredentialContext, target: &Target) -> Task<Answered> {
    let declaration = credential.declaration.clone();
    let check = credential.kind().and_then(|kind| kind.check.clone());
    let asked = match &check {
        Some(check) => probe::request(&target.base, check),
        None => first_list(&declaration, &target.base).unwrap_or_else(|| get(target.base.clone())),
    };
    let read = move |answer: &Answer| {
        let identity = match &check {
            Some(check) => probe::interpret(&declaration, check, answer),
            None => answer.text(&declaration).map(|_| Identity::default()),
        };
        identity.map(Reply::Identity)
    };
    let mut headers = target.headers.clone();
    headers.extend(asked.headers);
    let (method, url, body) = (asked.method, asked.url, asked.body);
    let request = Request { method, url, headers, body, timeout: target.timeout };
    task(
        id,
        credential,
        &target.base,
        reserve(&credential.declaration),
        request,
        target.secrets.clone(),
        read,
    )
}

/// Asks which kinds of objects the account has; `None` where the API has no list of them.
pub fn kinds(id: u64, credential: &CredentialContext, target: &Target) -> Option<Task<Answered>> {
    let declaration = credential.declaration.clone();
    let url = kinds::url(&target.base, &declaration)?;
    let read = move |answer: &Answer| kinds::interpret(&declaration, answer).map(Reply::Kinds);
    let (headers, timeout) = (target.headers.clone(), target.timeout);
    let request = Request { method: Method::GET, url, headers, body: None, timeout };
    let points = reserve(&credential.declaration);
    Some(task(id, credential, &target.base, points, request, target.secrets.clone(), read))
}

fn first_list(declaration: &Arc<Declaration>, base: &Url) -> Option<request::Request> {
    let first = declaration.collections.iter().find(|collection| collection.is_one_list())?;
    let list = Listing::whole(CollectionRef::new(declaration, &first.name)?);
    Some(list.request(base, &list.start()?))
}

fn get(url: Url) -> request::Request {
    request::Request { method: Method::GET, url, headers: HeaderMap::new(), body: None }
}

fn task(
    id: u64,
    credential: &CredentialContext,
    base: &Url,
    points: u32,
    request: Request,
    secrets: Arc<Mask>,
    read: impl FnOnce(&Answer) -> Result<Reply, Failure> + Send + 'static,
) -> Task<Answered> {
    let declaration = credential.declaration.clone();
    let interpret = Box::new(move |outcome: Result<Response, sequin_net::Failure>| {
        let answered = match outcome {
            Ok(Response { url, status, headers, body, sent_at, elapsed }) => {
                let answer = Answer { status, headers, body, received_at: sent_at + elapsed, url };
                let result = read(&answer);
                let pause = result.as_ref().err().and_then(Failure::pause);
                let balance = balance(&answer, &declaration.rate_limit);
                Answered { sent_at, pause, balance, has_arrived: true, is_free: false, refusal: None, result }
            }
            Err(sequin_net::Failure { error, sent_at }) => {
                Answered::failed(sent_at.unwrap_or_else(SystemTime::now), classify(&error))
            }
        };
        answered.without(&secrets)
    });
    let budgets = credential.declaration.rate_limit.further(base, &request.url);
    Task { id, lane: credential.lane, priority: Priority::Mutation, budgets, points, request, interpret }
}
