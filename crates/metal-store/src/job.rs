//! A transaction on its way through the sequencer: the caller's closure with its types hidden, the channel its
//! answer goes to, and the guarantee that it is answered exactly once, also when a thread dies.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use metal_model::document::{Changes, Revision, State};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::error::TransactError;
use crate::store::Committed;

/// Why a transaction ends without its callback's consent. The untyped half of [`TransactError`].
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    Conflict { key: String, expected: Option<Revision>, found: Option<Revision> },
    TooLarge { operations: usize, bytes: usize, max_operations: usize, max_bytes: usize },
    Contended { attempts: u32 },
    Unavailable(Arc<dyn std::error::Error + Send + Sync>),
    Unknown(Arc<dyn std::error::Error + Send + Sync>),
    Closed,
}

impl<E> From<Failure> for TransactError<E> {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict { key, expected, found } => Self::Conflict { key, expected, found },
            Failure::TooLarge { operations, bytes, max_operations, max_bytes } => {
                Self::TooLarge { operations, bytes, max_operations, max_bytes }
            }
            Failure::Contended { attempts } => Self::Contended { attempts },
            Failure::Unavailable(cause) => Self::Unavailable(cause),
            Failure::Unknown(cause) => Self::Unknown(cause),
            Failure::Closed => Self::Closed,
        }
    }
}

/// The committer died between taking a group and answering it.
#[derive(Debug, thiserror::Error)]
#[error("the thread that commits has died")]
struct CommitterDied;

/// A transaction without its types.
pub(crate) trait Work<S: State>: Send {
    /// Runs the callback. Empty changes mean that there is only an answer to give.
    fn decide(&mut self, name: &'static str, state: &S, revision: Revision) -> Changes<S::Doc>;
    /// Replaces what was decided by a refusal, to be told once what was read is durable.
    fn refuse(&mut self, failure: Failure);
    /// Whether the caller has stopped waiting.
    fn is_abandoned(&self) -> bool;
    /// Everything read and written is durable: answers what was decided.
    fn done(self: Box<Self>, revision: Revision);
    /// Answers with a failure whatever was decided.
    fn fail(self: Box<Self>, failure: Failure);
}

type Answer<T, E> = Result<Committed<T>, TransactError<E>>;

/// The only implementation of [`Work`].
pub(crate) struct Typed<F, T, E> {
    pub callback: F,
    pub decided: Option<Result<T, TransactError<E>>>,
    pub answer: oneshot::Sender<Answer<T, E>>,
}

impl<S, F, T, E> Work<S> for Typed<F, T, E>
where
    S: State,
    F: FnMut(&S, Revision) -> Result<(Changes<S::Doc>, T), E> + Send,
    T: Send,
    E: Send,
{
    fn decide(&mut self, name: &'static str, state: &S, revision: Revision) -> Changes<S::Doc> {
        // The callback is dropped with the transaction after a panic, so nobody sees its broken insides.
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.callback)(state, revision)));
        let (changes, decided) = match outcome {
            Ok(Ok((changes, value))) => (changes, Ok(value)),
            Ok(Err(refusal)) => (Changes::default(), Err(TransactError::Refused(refusal))),
            Err(panic) => {
                let message = panic_message(panic.as_ref());
                (Changes::default(), Err(TransactError::Panicked { name, message }))
            }
        };
        self.decided = Some(decided);
        changes
    }

    fn refuse(&mut self, failure: Failure) {
        self.decided = Some(Err(failure.into()));
    }

    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn done(self: Box<Self>, revision: Revision) {
        let decided = self.decided.unwrap_or(Err(TransactError::Closed));
        // A caller that has gone does not want the answer; what it asked for is done all the same.
        let _ = self.answer.send(decided.map(|value| Committed { revision, value }));
    }

    fn fail(self: Box<Self>, failure: Failure) {
        let _ = self.answer.send(Err(failure.into()));
    }
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// A transaction with its place in the queue.
pub(crate) struct Ticket<S: State> {
    pub name: &'static str,
    pub submitted: Instant,
    /// Times it was decided and then overtaken by another replica.
    pub attempts: u32,
    /// Set while a committer has it: from then on a lost answer means "unknown".
    pub handed_over: bool,
    work: Option<Box<dyn Work<S>>>,
    _place: OwnedSemaphorePermit,
}

impl<S: State> Ticket<S> {
    pub fn new(name: &'static str, work: Box<dyn Work<S>>, place: OwnedSemaphorePermit) -> Self {
        let submitted = Instant::now();
        Self { name, submitted, attempts: 0, handed_over: false, work: Some(work), _place: place }
    }

    /// Runs the callback; nothing when the caller has gone.
    pub fn decide(&mut self, state: &S, revision: Revision) -> Option<Changes<S::Doc>> {
        let work = self.work.as_mut().filter(|work| !work.is_abandoned())?;
        Some(work.decide(self.name, state, revision))
    }

    pub fn refuse(&mut self, failure: Failure) {
        if let Some(work) = &mut self.work {
            work.refuse(failure);
        }
    }

    pub fn done(mut self, revision: Revision) {
        if let Some(work) = self.work.take() {
            work.done(revision);
        }
    }

    pub fn fail(mut self, failure: Failure) {
        if let Some(work) = self.work.take() {
            work.fail(failure);
        }
    }
}

impl<S: State> Drop for Ticket<S> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            let unknown = || Failure::Unknown(Arc::new(CommitterDied));
            work.fail(if self.handed_over { unknown() } else { Failure::Closed });
        }
    }
}
