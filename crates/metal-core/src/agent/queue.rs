//! Machines that phoned home and whose call was not passed on yet: bounded, the newest call of each. Pure.
//!
//! What a machine says on a port is believed only if the control plane expects that machine there. A call that is not
//! expected waits a while, because the wish that explains it may still be on its way.

use std::collections::BTreeMap;

use crate::desired::Desired;
use crate::neighbor::PhoneHome;

/// More machines than a switch has ports, many times over.
const MOST: usize = 1024;

/// What to do about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Pass it on now.
    New,
    /// It says nothing new and may wait for company.
    Repeated,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    port: String,
    message: String,
    /// Calls are numbered as they come.
    number: u64,
}

/// The calls.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<String, Call>,
    /// What was passed on last, by machine.
    passed: BTreeMap<String, Call>,
    heard: u64,
}

impl Queue {
    /// A call came.
    pub fn hear(&mut self, call: PhoneHome) -> Urgency {
        self.heard += 1;
        let machine = call.machine.to_ascii_lowercase();
        let call = Call { port: call.port, message: call.message, number: self.heard };
        let is_same = |other: &Call| other.port == call.port && other.message == call.message;
        let is_repeated = self.passed.get(&machine).is_some_and(is_same);
        self.waiting.insert(machine, call);
        drop_oldest(&mut self.waiting);
        if is_repeated { Urgency::Repeated } else { Urgency::New }
    }

    /// Machines whose calls can be passed on: those that are where the control plane expects them.
    pub fn expected(&self, desired: &Desired) -> Vec<String> {
        let is_expected = |machine: &str, call: &Call| {
            let mut ports = desired.ports.iter();
            ports.any(|port| port.name == call.port && port.machine.eq_ignore_ascii_case(machine))
        };
        let expected = self.waiting.iter().filter(|(machine, call)| is_expected(machine, call));
        expected.map(|(machine, _)| machine.clone()).collect()
    }

    /// Whether the last call of a machine is one nobody expects.
    pub fn is_misplaced(&self, machine: &str, desired: &Desired) -> bool {
        let machine = machine.to_ascii_lowercase();
        self.waiting.contains_key(&machine) && !self.expected(desired).contains(&machine)
    }

    /// These were passed on.
    pub fn passed(&mut self, machines: &[String]) {
        for machine in machines {
            if let Some(call) = self.waiting.remove(machine) {
                self.passed.insert(machine.clone(), call);
            }
        }
        drop_oldest(&mut self.passed);
    }
}

fn drop_oldest(calls: &mut BTreeMap<String, Call>) {
    while calls.len() > MOST {
        let oldest = calls.iter().min_by_key(|(_, call)| call.number).map(|(machine, _)| machine.clone());
        let Some(oldest) = oldest else { return };
        calls.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::DesiredPort;

    fn call(port: &str, machine: &str, message: &str) -> PhoneHome {
        PhoneHome { port: port.to_owned(), machine: machine.to_owned(), message: message.to_owned() }
    }

    fn expecting(port: &str, machine: &str) -> Desired {
        let port =
            DesiredPort { name: port.to_owned(), machine: machine.to_owned(), ..DesiredPort::default() };
        Desired { ports: vec![port], ..Desired::default() }
    }

    #[test]
    fn a_machine_is_believed_only_on_its_port() {
        let mut queue = Queue::default();
        assert_eq!(queue.hear(call("swp1", "AB", "x")), Urgency::New);
        assert!(queue.expected(&expecting("swp2", "ab")).is_empty());
        assert!(queue.is_misplaced("ab", &expecting("swp2", "ab")));
        assert_eq!(queue.expected(&expecting("swp1", "Ab")), ["ab"], "it waits until it is expected");
    }

    #[test]
    fn what_was_passed_on_is_repeated_and_something_new_is_new() {
        let mut queue = Queue::default();
        queue.hear(call("swp1", "a", "since 1"));
        queue.passed(&["a".to_owned()]);
        assert_eq!(queue.hear(call("swp1", "a", "since 1")), Urgency::Repeated);
        assert_eq!(queue.hear(call("swp1", "a", "since 2")), Urgency::New);
        assert_eq!(queue.expected(&expecting("swp1", "a")).len(), 1);
    }

    #[test]
    fn the_queue_is_bounded_and_forgets_the_oldest() {
        let mut queue = Queue::default();
        for number in 0..=MOST {
            queue.hear(call("swp1", &format!("m{number}"), "x"));
        }
        assert_eq!(queue.waiting.len(), MOST);
        assert!(!queue.waiting.contains_key("m0"));
    }
}
