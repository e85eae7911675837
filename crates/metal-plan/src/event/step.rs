//! What an event means in a state. The whole provisioning state machine stands here, without a wildcard arm; its
//! table is a snapshot beside the tests.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use metal_model::event_log::{Event, EventLog, Liveliness, ProvisioningEvent};

use super::State;
use super::log::KEPT;

/// How long the old system of a machine may go on phoning home: switches still see it while it reboots.
const FAREWELL: SignedDuration = SignedDuration::from_mins(5);

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing changed.
    Ignored,
    /// A sign of life; perhaps a flag changed. The event itself is not kept.
    Touched,
    /// The event is the newest of the log now.
    Stored,
}

/// The changes an event makes to a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What becomes of the event.
    pub outcome: Outcome,
    /// When it happened: the server's time, never before what the log holds.
    pub time: Timestamp,
    /// The event to put first.
    pub store: Option<Arc<Event>>,
    /// The event to remember as the last error.
    pub error: Option<Arc<Event>>,
    /// New value of the flag.
    pub crash_loop: Option<bool>,
    /// New value of the flag.
    pub failed_machine_reclaim: Option<bool>,
}

impl Step {
    /// True when the step moves nothing but the last sign of life of a machine known to be alive: such steps may be
    /// collected in memory and written together.
    pub fn is_mere_touch(&self, log: &EventLog) -> bool {
        self.outcome == Outcome::Touched
            && self.error.is_none()
            && log.liveliness == Liveliness::Alive
            && self.crash_loop.is_none_or(|flag| flag == log.crash_loop)
            && self.failed_machine_reclaim.is_none_or(|flag| flag == log.failed_machine_reclaim)
    }

    /// Does it.
    pub fn apply(self, log: &mut EventLog) {
        if self.outcome == Outcome::Ignored {
            return;
        }
        log.liveliness = Liveliness::Alive;
        log.last_event_time = Some(self.time);
        if let Some(event) = self.store {
            log.events.insert(0, event);
            log.events.truncate(KEPT);
        }
        if self.error.is_some() {
            log.last_error_event = self.error;
        }
        log.crash_loop = self.crash_loop.unwrap_or(log.crash_loop);
        log.failed_machine_reclaim = self.failed_machine_reclaim.unwrap_or(log.failed_machine_reclaim);
    }
}

/// Decides what an event means for a machine with this log.
pub fn step(log: &EventLog, event: ProvisioningEvent, message: &str, now: Timestamp) -> Step {
    let state = State::of(log);
    let newest = log.events.first().map(|newest| newest.time);
    let last = log.last_event_time.max(newest);
    // A clock that was set back must not make the log run backwards.
    let time = last.map_or(now, |last| last.max(now));
    let silence = last.map_or(SignedDuration::ZERO, |last| time.duration_since(last));
    let draft = Draft { state, event, message, time };
    match effect(state, event) {
        Effect::Touch => draft.touch(),
        Effect::Store => draft.store(),
        Effect::BootAgain => Step { failed_machine_reclaim: Some(false), ..draft.touch() },
        Effect::Boot => Step { failed_machine_reclaim: Some(false), ..draft.store() },
        Effect::StartOver | Effect::Arrive => Step { crash_loop: Some(false), ..draft.store() },
        Effect::Crash => {
            let stored = draft.store();
            Step { crash_loop: Some(true), error: stored.store.clone(), ..stored }
        }
        Effect::StillThere if silence > FAREWELL => {
            Step { failed_machine_reclaim: Some(true), ..draft.touch() }
        }
        Effect::StillThere => draft.ignore(),
        Effect::BackFromBoot | Effect::BackFromPreparing | Effect::Back if silence < FAREWELL => {
            draft.ignore()
        }
        Effect::BackFromBoot => Step { failed_machine_reclaim: Some(false), ..draft.touch() },
        Effect::BackFromPreparing => Step { failed_machine_reclaim: Some(false), ..draft.store() },
        Effect::Back => draft.store(),
        Effect::Unexpected => draft.unexpected(),
    }
}

struct Draft<'a> {
    state: State,
    event: ProvisioningEvent,
    message: &'a str,
    time: Timestamp,
}

impl Draft<'_> {
    fn ignore(&self) -> Step {
        Step {
            outcome: Outcome::Ignored,
            time: self.time,
            store: None,
            error: None,
            crash_loop: None,
            failed_machine_reclaim: None,
        }
    }

    fn touch(&self) -> Step {
        Step { outcome: Outcome::Touched, ..self.ignore() }
    }

    fn store(&self) -> Step {
        Step { outcome: Outcome::Stored, store: Some(self.event(self.message.to_owned())), ..self.ignore() }
    }

    fn unexpected(&self) -> Step {
        let separator = if self.message.is_empty() { "" } else { ": " };
        let word = self.state.word();
        let event = self.event(format!("[unexpectedly received in state {word}]{separator}{}", self.message));
        let touched = Step { error: Some(event.clone()), ..self.touch() };
        match self.event {
            ProvisioningEvent::Alive => touched,
            ProvisioningEvent::PxeBooting | ProvisioningEvent::Preparing => {
                Step { outcome: Outcome::Stored, store: Some(event), crash_loop: Some(true), ..touched }
            }
            ProvisioningEvent::Crashed
            | ProvisioningEvent::PlannedReboot
            | ProvisioningEvent::Registering
            | ProvisioningEvent::Waiting
            | ProvisioningEvent::Installing
            | ProvisioningEvent::BootingNewKernel
            | ProvisioningEvent::PhonedHome
            | ProvisioningEvent::MachineReclaim => {
                Step { outcome: Outcome::Stored, store: Some(event), ..touched }
            }
        }
    }

    fn event(&self, message: String) -> Arc<Event> {
        Arc::new(Event { time: self.time, event: self.event, message })
    }
}

#[derive(Debug, Clone, Copy)]
enum Effect {
    /// A sign of life.
    Touch,
    /// The next state.
    Store,
    /// Network boot repeated: a retry, not news.
    BootAgain,
    /// The installer comes up: the machine has left its old system.
    Boot,
    /// Whatever went wrong before is over.
    StartOver,
    /// The installer crashed.
    Crash,
    /// The installed system is up.
    Arrive,
    /// Freed, and the old system phones home.
    StillThere,
    /// The installed system although the network boot began.
    BackFromBoot,
    /// The installed system although the installer prepared.
    BackFromPreparing,
    /// The installed system although the installer registered or waited.
    Back,
    /// Does not belong here.
    Unexpected,
}

fn effect(state: State, event: ProvisioningEvent) -> Effect {
    match event {
        ProvisioningEvent::Alive => in_installer(state, Effect::Touch),
        ProvisioningEvent::Crashed => in_installer(state, Effect::Crash),
        ProvisioningEvent::PlannedReboot | ProvisioningEvent::MachineReclaim => Effect::StartOver,
        ProvisioningEvent::PhonedHome => phoned_home(state),
        ProvisioningEvent::PxeBooting if state == State::PxeBooting => Effect::BootAgain,
        ProvisioningEvent::PxeBooting => booting(state),
        ProvisioningEvent::Preparing if state == State::PxeBooting => Effect::Boot,
        ProvisioningEvent::Preparing => booting(state),
        ProvisioningEvent::Registering => follows(state, &[State::Preparing]),
        ProvisioningEvent::Waiting => follows(state, &[State::Registering]),
        ProvisioningEvent::Installing => follows(state, &[State::Registering, State::Waiting]),
        ProvisioningEvent::BootingNewKernel => follows(state, &[State::Installing]),
    }
}

/// The steps of the installer come in order, or first of all.
fn follows(state: State, before: &[State]) -> Effect {
    if state == State::Initial || before.contains(&state) { Effect::Store } else { Effect::Unexpected }
}

/// What only the installer says, from its first packet to the start of the installed system.
fn in_installer(state: State, effect: Effect) -> Effect {
    match state {
        State::Initial
        | State::PxeBooting
        | State::Preparing
        | State::Registering
        | State::Waiting
        | State::Installing
        | State::BootingNewKernel => effect,
        State::Crashing | State::PlannedReboot | State::PhonedHome | State::MachineReclaim => {
            Effect::Unexpected
        }
    }
}

/// The installer comes up after a reboot that was expected.
fn booting(state: State) -> Effect {
    match state {
        State::Initial | State::Crashing | State::PlannedReboot | State::MachineReclaim => Effect::Boot,
        State::PxeBooting
        | State::Preparing
        | State::Registering
        | State::Waiting
        | State::Installing
        | State::BootingNewKernel
        | State::PhonedHome => Effect::Unexpected,
    }
}

fn phoned_home(state: State) -> Effect {
    match state {
        State::Initial | State::BootingNewKernel | State::PlannedReboot => Effect::Arrive,
        State::PhonedHome => Effect::Touch,
        State::MachineReclaim => Effect::StillThere,
        State::PxeBooting => Effect::BackFromBoot,
        State::Preparing => Effect::BackFromPreparing,
        State::Registering | State::Waiting => Effect::Back,
        State::Installing | State::Crashing => Effect::Unexpected,
    }
}
