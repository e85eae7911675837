//! Holding back for a replica that keeps losing.

use std::time::Duration;

use tokio::time::Instant;

use super::head::Head;

/// How long others hold back at most: many round trips, and short for a person.
const HOLD: Duration = Duration::from_millis(200);
/// Losses in a row before a replica asks for a turn, and asks again.
const LOSSES: u32 = 3;

/// Whose turn it is, if it is somebody else's.
#[derive(Debug, Default)]
pub(super) struct Turn {
    of: Option<(String, Instant)>,
}

impl Turn {
    /// Whether a replica that has lost this often should ask for a turn now.
    pub fn is_due(losses: u32) -> bool {
        losses > 0 && losses.is_multiple_of(LOSSES)
    }

    /// Another replica asks.
    pub fn give(&mut self, writer: String) {
        self.of = Some((writer, Instant::now() + HOLD));
    }

    /// The head has moved: the turn is over if it was moved by the one who asked.
    pub fn note(&mut self, head: &Head) {
        if self.of.as_ref().is_some_and(|(writer, _)| head.is_by(writer)) {
            self.of = None;
        }
    }

    /// How long to hold back still.
    pub fn hold(&self) -> Option<Duration> {
        let (_, until) = self.of.as_ref()?;
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_ends_with_a_commit_of_the_one_who_asked() {
        let mut turn = Turn::default();
        assert!(turn.hold().is_none());
        turn.give("a".to_owned());
        turn.note(&Head::at(1).next("b", 1, 2));
        assert!(turn.hold().is_some());
        turn.note(&Head::at(2).next("a", 1, 3));
        assert!(turn.hold().is_none());
        assert_eq!((0..=6).filter(|losses| Turn::is_due(*losses)).collect::<Vec<_>>(), [3, 6]);
    }
}
