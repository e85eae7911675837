//! Which phone-homes are worth telling: a new one at once, a repeated one once in a while, and from one port never so
//! many that a machine could keep us busy by changing its mind.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use metal_linux::lldp::Frame;

use super::PhoneHome;

/// The word that tells an installed system from anything else that speaks LLDP.
const WORD: &str = "provisioned";

/// How many different ones of one port are told within the period of repetition.
const MOST: usize = 8;

/// What was told, by port.
#[derive(Debug, Default)]
pub(super) struct PhoneHomes {
    told: BTreeMap<String, Vec<(PhoneHome, Instant)>>,
}

impl PhoneHomes {
    /// What is to be told of a frame, if anything. Call [`PhoneHomes::told`] once it is.
    pub(super) fn consider(
        &mut self,
        port: &str,
        frame: &Frame,
        now: Instant,
        repeat: Duration,
    ) -> Option<PhoneHome> {
        let message = frame.system_description.as_ref().filter(|text| text.contains(WORD))?;
        let machine = frame.system_name.as_ref().filter(|name| !name.is_empty())?;
        if frame.ttl == 0 {
            return None;
        }
        let call = PhoneHome { port: port.to_owned(), machine: machine.clone(), message: message.clone() };
        let told = self.told.entry(port.to_owned()).or_default();
        told.retain(|(_, at)| *at + repeat > now);
        let is_known = told.iter().any(|(before, _)| *before == call);
        (!is_known && told.len() < MOST).then_some(call)
    }

    /// It has been told.
    pub(super) fn told(&mut self, call: PhoneHome, now: Instant) {
        self.told.entry(call.port.clone()).or_default().push((call, now));
    }
}

#[cfg(test)]
mod tests {
    use metal_linux::lldp::{ChassisId, PortId};
    use metal_runtime::clock::monotonic;

    use super::*;

    const REPEAT: Duration = Duration::from_secs(60);

    fn frame(machine: &str, description: &str) -> Frame {
        Frame {
            system_name: Some(machine.to_owned()),
            system_description: Some(description.to_owned()),
            ..Frame::new(ChassisId::Mac([1; 6]), PortId::InterfaceName("eth0".to_owned()), 8)
        }
    }

    fn is_told(calls: &mut PhoneHomes, port: &str, frame: &Frame, now: Instant) -> bool {
        let call = calls.consider(port, frame, now, REPEAT);
        call.map(|call| calls.told(call, now)).is_some()
    }

    #[test]
    fn a_new_one_is_told_at_once_and_a_repeated_one_once_a_period() {
        let (mut calls, start) = (PhoneHomes::default(), monotonic());
        let told: Vec<u64> = (0..130)
            .filter(|s| {
                is_told(
                    &mut calls,
                    "swp1",
                    &frame("m1", "provisioned since x"),
                    start + Duration::from_secs(*s),
                )
            })
            .collect();
        assert_eq!(told, [0, 60, 120]);
        assert!(is_told(&mut calls, "swp2", &frame("m1", "provisioned since x"), start));
        assert!(is_told(&mut calls, "swp2", &frame("m1", "provisioned since y"), start));
        assert!(is_told(&mut calls, "swp2", &frame("m2", "provisioned since y"), start));
    }

    #[test]
    fn what_nobody_took_is_told_with_the_next_frame() {
        let (mut calls, start) = (PhoneHomes::default(), monotonic());
        assert!(calls.consider("swp1", &frame("m1", "provisioned"), start, REPEAT).is_some());
        assert!(calls.consider("swp1", &frame("m1", "provisioned"), start, REPEAT).is_some());
    }

    #[test]
    fn others_are_not_told_and_nobody_can_flood() {
        let (mut calls, start) = (PhoneHomes::default(), monotonic());
        assert!(!is_told(&mut calls, "swp1", &frame("m1", "installer"), start));
        assert!(!is_told(&mut calls, "swp1", &frame("", "provisioned"), start));
        let many =
            (0..100).filter(|n| is_told(&mut calls, "swp1", &frame(&format!("m{n}"), "provisioned"), start));
        assert_eq!(many.count(), MOST);
        assert!(is_told(&mut calls, "swp1", &frame("m99", "provisioned"), start + REPEAT));
    }
}
