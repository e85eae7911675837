//! One port: where it is, its socket there, and when it speaks next.

use std::task::{Context, Poll};
use std::time::Instant;

use metal_linux::lldp::{ChassisId, Frame, PortId, Socket};
use metal_runtime::chain;
use tokio::io::unix::AsyncFd;

use super::place::{Location, Places, open_socket};
use super::schedule::Schedule;
use super::{Chassis, Identity, Pace, PortIdKind};

/// How many frames of one port are taken in a row, so that a flood on one does not starve the others.
const BURST: usize = 32;

/// A port of the switch, present or not.
#[derive(Debug, Default)]
pub(super) struct Port {
    location: Option<Location>,
    socket: Option<AsyncFd<Socket>>,
    schedule: Schedule,
}

impl Port {
    /// Takes note of where the port is now. True if its link was lost.
    pub(super) fn settle(&mut self, name: &str, places: &Places, now: Instant) -> bool {
        let location = places.find(name);
        let was_running = self.location.as_ref().is_some_and(|it| it.is_running);
        if location != self.location.as_ref() {
            let stays = location
                .zip(self.location.as_ref())
                .is_some_and(|(new, old)| new.place == old.place && new.index == old.index);
            if !stays {
                self.socket = None;
                self.schedule.stop();
            }
            self.location = location.cloned();
        }
        let is_running = self.location.as_ref().is_some_and(|it| it.is_running);
        if !is_running {
            self.schedule.stop();
        }
        self.open(name);
        if is_running && self.socket.is_some() && self.schedule.next().is_none() {
            self.schedule.start(now);
        }
        was_running && !is_running
    }

    fn open(&mut self, name: &str) {
        if let (Some(location), None) = (&self.location, &self.socket) {
            match open_socket(location) {
                Ok(socket) => self.socket = Some(socket),
                // The device has moved on since we looked; the notice of that is on its way.
                Err(error) => {
                    tracing::debug!(port = name, error = chain(&*error), "LLDP socket not opened");
                    self.location = None;
                }
            }
        }
    }

    /// When it speaks next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// Somebody new is at the other end.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.schedule.hurry(now);
    }

    /// Speaks if it is time.
    pub(super) fn speak(
        &mut self,
        description: &str,
        name: &str,
        identity: &Identity,
        pace: &Pace,
        now: Instant,
    ) {
        if self.schedule.is_due(now, pace.interval) {
            let ttl = u16::try_from(pace.interval.as_secs().saturating_mul(4)).unwrap_or(u16::MAX).max(4);
            self.send(&frame(name, description, identity, self.mac(), ttl), name);
        }
    }

    /// Says that it will not speak any more.
    pub(super) fn say_goodbye(&self, name: &str, description: &str, identity: &Identity) {
        if self.schedule.next().is_some() {
            self.send(&frame(name, description, identity, self.mac(), 0), name);
        }
    }

    fn mac(&self) -> [u8; 6] {
        self.location.as_ref().map(|it| it.mac).unwrap_or_default()
    }

    fn send(&self, frame: &Frame, name: &str) {
        if let Some(Err(error)) = self.socket.as_ref().map(|socket| socket.get_ref().send(frame)) {
            // Off or away; a notice of that is on its way.
            tracing::debug!(port = name, error = chain(&error), "LLDP frame not sent");
        }
    }

    /// Takes what was heard since the last call.
    pub(super) fn poll_hear(&mut self, context: &mut Context<'_>) -> Poll<Vec<Frame>> {
        let Some(socket) = &self.socket else { return Poll::Pending };
        let mut heard = Vec::new();
        for _ in 0..BURST {
            let Poll::Ready(Ok(mut ready)) = socket.poll_read_ready(context) else {
                return if heard.is_empty() { Poll::Pending } else { Poll::Ready(heard) };
            };
            match ready.get_inner().receive() {
                Ok(Some(frame)) => heard.push(frame),
                Ok(None) => ready.clear_ready(),
                // Off or away: the error is told once, then the socket waits.
                Err(_) => {}
            }
        }
        Poll::Ready(heard)
    }
}

fn frame(name: &str, description: &str, identity: &Identity, mac: [u8; 6], ttl: u16) -> Frame {
    let chassis = match identity.chassis {
        Chassis::PortMac => mac,
        Chassis::Mac(mac) => mac,
    };
    let port = match identity.port_id {
        PortIdKind::InterfaceName => PortId::InterfaceName(name.to_owned()),
        PortIdKind::Mac => PortId::Mac(mac),
        PortIdKind::Local => PortId::Local(description.to_owned()),
    };
    Frame {
        port_description: Some(description.to_owned()),
        system_name: Some(identity.system_name.clone()),
        system_description: Some(identity.system_description.clone()),
        ..Frame::new(ChassisId::Mac(chassis), port, ttl)
    }
}
