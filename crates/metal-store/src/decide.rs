//! The sequencer: one thread that decides every transaction of the process, in order of arrival, on a
//! speculative head which contains all earlier decisions whether they are durable or not.
//!
//! It works one group ahead of the committer: while group N becomes durable, N+1 is decided; when N is done,
//! N+1 goes out with whatever has come together. There is at most one group out, so what a group was decided
//! on is always either durable or the group before it.
//!
//! When a group fails, or another replica has written, the committer says so with [`Message::Rebase`]: the head
//! falls back to the durable state and everything decided on top of the lost one is decided again. Nobody has
//! been answered from it, so nobody can tell.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvError, Sender, TryRecvError};

use metal_model::document::{Revision, State};
use tokio::sync::mpsc::UnboundedSender;

use crate::config::Limits;
use crate::group::{Group, Prepared};
use crate::job::{Failure, Ticket};
use crate::shared::Shared;

/// What reaches the sequencer.
pub(crate) enum Message<S: State> {
    /// A transaction.
    Submit(Ticket<S>),
    /// The group that was out is durable, published and answered.
    Finished,
    /// The durable state is not the one the head was built on.
    Rebase {
        /// The durable state.
        state: S,
        /// Its revision.
        revision: Revision,
        /// Transactions of the group that was out, to be decided again before all others.
        returned: Vec<Ticket<S>>,
        /// The group that was out is gone.
        released: bool,
    },
    /// Finish what is there and end.
    Close,
    /// There is no committer any more.
    Dead,
}

/// Held by the committer: tells the sequencer when the committer has gone, for whatever reason.
pub(crate) struct Lifeline<S: State>(pub Sender<Message<S>>);

impl<S: State> Drop for Lifeline<S> {
    fn drop(&mut self) {
        // Not delivered only when the sequencer has ended first, which is the usual order.
        let _ = self.0.send(Message::Dead);
    }
}

pub(crate) struct Sequencer<S: State> {
    inbox: Receiver<Message<S>>,
    groups: UnboundedSender<Group<S>>,
    shared: Arc<Shared<S>>,
    limits: Limits,
    waiting: VecDeque<Ticket<S>>,
    forming: Group<S>,
    is_out: bool,
    is_closing: bool,
    is_dead: bool,
}

impl<S: State> Sequencer<S> {
    pub fn new(
        inbox: Receiver<Message<S>>,
        groups: UnboundedSender<Group<S>>,
        shared: Arc<Shared<S>>,
        limits: Limits,
    ) -> Self {
        let durable = shared.snapshot();
        let forming = Group::new(durable.revision, durable.state.clone());
        Self {
            inbox,
            groups,
            shared,
            limits,
            waiting: VecDeque::new(),
            forming,
            is_out: false,
            is_closing: false,
            is_dead: false,
        }
    }

    /// Runs until closed and drained, or until the committer has gone.
    pub fn run(mut self) {
        while let Ok(()) = self.receive() {
            if self.is_dead {
                break;
            }
            loop {
                self.fill();
                if self.is_out || self.forming.is_empty() {
                    break;
                }
                self.hand_over();
            }
            if self.is_closing && !self.is_out && self.waiting.is_empty() {
                break;
            }
        }
        // Transactions left over are answered "closed" as they are dropped.
        self.shared.end();
    }

    /// Waits for a message, then takes everything that is there.
    fn receive(&mut self) -> Result<(), RecvError> {
        let message = self.inbox.recv()?;
        self.take(message);
        loop {
            match self.inbox.try_recv() {
                Ok(message) => self.take(message),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }

    fn take(&mut self, message: Message<S>) {
        match message {
            Message::Submit(ticket) => self.waiting.push_back(ticket),
            Message::Finished => self.is_out = false,
            Message::Close => self.is_closing = true,
            Message::Dead => {
                self.is_out = false;
                self.is_dead = true;
            }
            Message::Rebase { state, revision, returned, released } => {
                let lost = std::mem::replace(&mut self.forming, Group::new(revision, state));
                for ticket in lost.into_tickets().into_iter().rev() {
                    self.waiting.push_front(ticket);
                }
                for ticket in returned.into_iter().rev() {
                    self.waiting.push_front(ticket);
                }
                self.is_out &= !released;
            }
        }
    }

    /// Decides what is waiting until the forming group is full.
    fn fill(&mut self) {
        while !self.forming.is_full(&self.limits) {
            let Some(mut ticket) = self.waiting.pop_front() else { return };
            let Some(changes) = ticket.decide(&self.forming.state, self.forming.revision) else { continue };
            if changes.is_empty() {
                self.forming.add_reader(ticket);
                continue;
            }
            let next = self.forming.revision + 1;
            match Prepared::new(&self.forming.state, next, changes, &self.limits) {
                Ok(prepared) if self.forming.has_room(&prepared, &self.limits) => {
                    self.forming.add(ticket, prepared);
                }
                Ok(_) => {
                    // Decided again for the next group: dearer than carrying it over, but there is only one
                    // kind of waiting transaction to think about.
                    self.waiting.push_front(ticket);
                    return;
                }
                Err(failure) => {
                    ticket.refuse(failure);
                    self.forming.add_reader(ticket);
                }
            }
        }
    }

    /// Sends the forming group to the committer.
    fn hand_over(&mut self) {
        let next = Group::new(self.forming.revision, self.forming.state.clone());
        let group = std::mem::replace(&mut self.forming, next);
        self.is_out = true;
        if let Err(refused) = self.groups.send(group) {
            // Its lifeline says the same in a moment.
            for ticket in refused.0.into_tickets() {
                ticket.fail(Failure::Closed);
            }
        }
    }
}
