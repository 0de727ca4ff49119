//! One connection, from its first request to its end.

use crate::answer::{self, Answer, Context, Next};
use crate::clock;
use crate::control;
use crate::error::Refusal;
use crate::fault::{Injected, Kind};
use crate::operations::OPERATIONS;
use crate::server::Shared;
use crate::service::Outcome;
use crate::stream::lock;
use crate::tally::Seen;
use crate::wire::{Head, Wire};
use std::io;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Whom the connection turned out to serve.
#[derive(PartialEq)]
enum Role {
    Unknown,
    Service(u64),
    Control,
}

pub(crate) struct Connection<'a> {
    shared: &'a Shared,
    role: Role,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if self.role != Role::Control {
            lock(&self.shared.service.tally).closed();
        }
    }
}

impl<'a> Connection<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        lock(&shared.service.tally).opened();
        Self { shared, role: Role::Unknown }
    }

    /// Serves the connection to its end.
    pub(crate) fn run(mut self, mut wire: Wire) {
        let end = loop {
            match self.one(&mut wire) {
                Ok(Some(Next::Keep)) => {}
                end => break end,
            }
        };
        let unreadable = end.as_ref().err().filter(|error| error.kind() == io::ErrorKind::InvalidData);
        if let Some(error) = unreadable {
            self.complain(&mut wire, error);
        }
        // Counted as closed before the client can see it.
        drop(self);
        match end {
            Ok(Some(Next::Reset)) => wire.reset(),
            Ok(_) => wire.close(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => wire.close_gently(),
            Err(_) => {}
        }
    }

    fn context<'b>(
        &self,
        date: &'b str,
        ids: (&'b str, &'b str),
        stopping: &'b dyn Fn() -> bool,
    ) -> Context<'b> {
        Context { date, request_id: ids.0, extended_id: ids.1, wants_close: false, stopping }
    }

    /// Answers what is not HTTP, or is too much of it.
    fn complain(&self, wire: &mut Wire, error: &io::Error) {
        let service = &self.shared.service;
        let (date, id) = (clock::http_date(service.clock.now()), service.ids.uuid());
        let refusal = Refusal::bad("SerializationException", format!("The request cannot be read: {error}"));
        let answer = Answer::refusal(&refusal, false);
        let context = Context { wants_close: true, ..self.context(&date, (&id, &id), &|| false) };
        let _ = answer::send(wire, &answer, None, &context);
    }

    fn service_number(&mut self) -> u64 {
        match self.role {
            Role::Service(number) => return number,
            Role::Unknown => {}
            Role::Control => lock(&self.shared.service.tally).opened(),
        }
        let number = self.shared.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        self.role = Role::Service(number);
        number
    }

    /// Serves one request. None: the client has gone.
    fn one(&mut self, wire: &mut Wire) -> io::Result<Option<Next>> {
        let Some(head) = wire.read_head()? else { return Ok(None) };
        let arrived = Instant::now();
        if control::is_for(&head) {
            return self.control(wire, &head).map(Some);
        }
        let connection = self.service_number();
        let service = &self.shared.service;
        let injected = lock(&service.faults).choose(head.operation());
        let fault = injected.as_ref().map(|injected| injected.fault.as_ref());
        let kind = fault.map(|fault| fault.kind);
        if kind == Some(Kind::ResetRead) {
            lock(&service.tally).saw(self.seen(&head, connection, arrived, injected.as_ref(), None));
            wire.read_half(&head)?;
            return Ok(Some(Next::Reset));
        }
        let body = wire.read_body(&head)?;
        let mut outcome = service.serve(&head, &body, injected.as_ref());
        drop(body);
        if let Some(fault) = fault.filter(|fault| fault.kind == Kind::Redirect) {
            let host = head.header("host").unwrap_or("localhost");
            let there =
                fault.location.clone().unwrap_or_else(|| format!("{}://{host}/redirected", wire.scheme()));
            outcome.answer.headers.push(("Location".into(), Some(there)));
        }
        lock(&service.tally).saw(self.seen(&head, connection, arrived, injected.as_ref(), Some(&outcome)));
        let date = clock::http_date(service.clock.now());
        let (id, extended) = (service.ids.uuid(), service.ids.extended());
        let stopping = || self.shared.is_stopping();
        let context =
            Context { wants_close: head.wants_close(), ..self.context(&date, (&id, &extended), &stopping) };
        answer::send(wire, &outcome.answer, fault, &context).map(Some)
    }

    fn seen(
        &self,
        head: &Head,
        connection: u64,
        arrived: Instant,
        injected: Option<&Injected>,
        outcome: Option<&Outcome>,
    ) -> Seen {
        let kind = injected.map(|injected| injected.fault.kind);
        let silent = matches!(kind, Some(Kind::ResetBefore | Kind::Hang));
        let text = |name: &str| head.header(name).map(str::to_owned);
        let operation = head.operation();
        Seen {
            connection,
            operation: if OPERATIONS.contains(&operation) { operation } else { "Unknown" }.to_owned(),
            records: outcome.map_or(0, |outcome| outcome.records),
            status: outcome.filter(|_| !silent).map_or(0, |outcome| outcome.answer.status),
            invocation_id: text("amz-sdk-invocation-id"),
            sdk_request: text("amz-sdk-request"),
            user_agent: text("user-agent"),
            fault: kind.map(Kind::name),
            authorised: outcome.is_some_and(|outcome| outcome.authorised),
            ms: arrived.saturating_duration_since(self.shared.started).as_millis() as u64,
        }
    }

    fn control(&mut self, wire: &mut Wire, head: &Head) -> io::Result<Next> {
        if self.role == Role::Unknown {
            lock(&self.shared.service.tally).not_counted();
            self.role = Role::Control;
        }
        let body = wire.read_body(head)?;
        let answer = control::answer(&self.shared.service, head, &body);
        let date = clock::http_date(clock::real_now());
        let context = Context {
            wants_close: head.wants_close(),
            ..self.context(&date, ("control", "control"), &|| false)
        };
        answer::send(wire, &answer, None, &context)
    }
}
