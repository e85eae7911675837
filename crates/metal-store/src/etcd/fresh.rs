//! Fresh reads: a linearizable read of the head, shared by everybody who asked before it began, and then a wait
//! until the local snapshot has got there.
//!
//! A caller that arrives while a read is under way must not share it: the read may have happened before a write
//! that this caller knows of. So callers collect for the next one.

use std::sync::Arc;
use std::time::Duration;

use metal_model::document::{Revision, State};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Keys;
use super::members::{Fault, Members};
use crate::config::Options;
use crate::error::FreshError;
use crate::shared::{Published, Shared};

type Asked = oneshot::Sender<Result<Revision, Arc<Fault>>>;

/// How long a snapshot may stay behind before the watch is started anew.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1500);

/// The asking side.
#[derive(Clone)]
pub(crate) struct Freshness {
    ask: mpsc::UnboundedSender<Asked>,
    kick: Arc<Notify>,
}

/// The reading side; a task.
pub(crate) struct Reader {
    members: Arc<Members>,
    keys: Keys,
    asked: mpsc::UnboundedReceiver<Asked>,
    hurry: CancellationToken,
}

pub(crate) fn channel(
    members: Arc<Members>,
    keys: Keys,
    hurry: CancellationToken,
    kick: Arc<Notify>,
) -> (Freshness, Reader) {
    let (ask, asked) = mpsc::unbounded_channel();
    (Freshness { ask, kick }, Reader { members, keys, asked, hurry })
}

impl Freshness {
    /// Waits for a snapshot that has seen everything acknowledged before the call.
    pub async fn wait<S: State>(
        &self,
        shared: &Shared<S>,
        options: &Options,
    ) -> Result<Arc<Published<S>>, FreshError> {
        let deadline = Instant::now() + options.deadline;
        let (ask, answer) = oneshot::channel();
        self.ask.send(ask).map_err(|_| FreshError::Closed)?;
        let behind = |wanted| FreshError::Behind { reached: shared.snapshot().revision, wanted };
        let wanted = match timeout_at(deadline, answer).await {
            Ok(Ok(Ok(wanted))) => wanted,
            Ok(Ok(Err(fault))) => return Err(FreshError::Unavailable(fault)),
            Ok(Err(_)) => return Err(FreshError::Closed),
            Err(_) => return Err(FreshError::Unavailable(Arc::new(TooLate))),
        };
        if timeout(PATIENCE, reach(shared, wanted)).await.is_err() {
            self.kick.notify_one();
        }
        timeout_at(deadline, reach(shared, wanted)).await.map_err(|_| behind(wanted))?
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no answer before the deadline")]
struct TooLate;

async fn reach<S: State>(shared: &Shared<S>, wanted: Revision) -> Result<Arc<Published<S>>, FreshError> {
    let mut reached = shared.subscribe();
    loop {
        reached.mark_unchanged();
        let snapshot = shared.snapshot();
        if let Some(why) = shared.broken() {
            return Err(FreshError::Broken(why));
        }
        if snapshot.revision >= wanted {
            return Ok(snapshot);
        }
        if shared.is_ended() {
            return Err(FreshError::Closed);
        }
        reached.changed().await.map_err(|_| FreshError::Closed)?;
    }
}

impl Reader {
    /// Runs until the store is closed.
    pub async fn run(mut self) {
        let hurry = self.hurry.clone();
        hurry.run_until_cancelled_owned(self.serve()).await;
    }

    async fn serve(&mut self) {
        while let Some(first) = self.asked.recv().await {
            let mut together = vec![first];
            while let Ok(next) = self.asked.try_recv() {
                together.push(next);
            }
            let read = self.members.insist(|| self.members.read_head(&self.keys)).await;
            let answer = match read {
                Ok(Some(head)) => Ok(head.head.revision),
                Ok(None) => Err(Arc::new(Fault::Unexpected("there is no head key".to_owned()))),
                Err(fault) => Err(Arc::new(fault)),
            };
            for ask in together {
                // Whoever has stopped waiting does not mind.
                let _ = ask.send(answer.clone());
            }
        }
    }
}
