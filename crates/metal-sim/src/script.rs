//! What goes wrong, and when: by chance, or at a given time.
//!
//! A script is text, one rule per line:
//!
//! ```text
//! # comments and empty lines are fine
//! rate crash 0.05        # an installation crashes with this probability
//! rate vanish 0.01       # a waiting machine vanishes with this probability at each sign of life
//! rate slow 0.1          # a boot takes ten times as long with this probability
//! at 30s vanish r01/3    # the fourth machine of the first rack loses all power
//! at 90s return r01      # the whole rack has it back
//! at 2m crash all
//! ```

use std::str::FromStr;
use std::time::Duration;

use crate::floor::MachinePlan;

/// Chances and scheduled mishaps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// What happens by chance.
    pub rates: Rates,
    /// What happens at a given time, earliest first.
    pub steps: Vec<Step>,
}

/// Probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Of a crash, at each installation.
    pub crash: f64,
    /// Of vanishing, at each sign of life while waiting.
    pub vanish: f64,
    /// Of being ten times slower, at each boot.
    pub slow: f64,
}

/// A scheduled mishap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How long after the start.
    pub after: Duration,
    /// What happens.
    pub action: Action,
    /// To whom.
    pub to: Selector,
}

/// A mishap, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The installer or system crashes and the machine boots again.
    Crash,
    /// All power is gone, the BMC's too.
    Vanish,
    /// It is back.
    Return,
}

/// Whom a step is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// All machines.
    All,
    /// A rack, from 1.
    Rack(u16),
    /// A machine by rack (from 1) and slot (from 0).
    Slot(u16, u16),
}

/// A line that is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the script: {why}: {text:?}")]
pub struct ScriptError {
    line: usize,
    text: String,
    why: &'static str,
}

impl Selector {
    /// Whether it means this machine.
    #[must_use]
    pub fn matches(&self, machine: &MachinePlan) -> bool {
        let in_rack = |rack: u16| machine.rack.ends_with(&format!("-rack-{rack:02}"));
        match self {
            Self::All => true,
            Self::Rack(rack) => in_rack(*rack),
            Self::Slot(rack, slot) => in_rack(*rack) && machine.slot == *slot,
        }
    }
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut script = Self::default();
        for (number, line) in text.lines().enumerate() {
            let rule = line.split('#').next().unwrap_or_default().trim();
            if rule.is_empty() {
                continue;
            }
            let fail = |why| ScriptError { line: number + 1, text: line.to_owned(), why };
            let words: Vec<&str> = rule.split_whitespace().collect();
            match words.as_slice() {
                ["rate", what, value] => {
                    let rate = rate_of(&mut script.rates, what).ok_or(fail("unknown rate"))?;
                    *rate = probability(value).ok_or(fail("not a probability between 0 and 1"))?;
                }
                ["at", after, action, to] => script.steps.push(Step {
                    after: duration(after).ok_or(fail("not a duration like 90s or 2m"))?,
                    action: action_of(action).ok_or(fail("unknown action"))?,
                    to: selector(to).ok_or(fail("not all, r<rack> or r<rack>/<slot>"))?,
                }),
                _ => return Err(fail("neither a rate nor a step")),
            }
        }
        script.steps.sort_by_key(|step| step.after);
        Ok(script)
    }
}

fn rate_of<'a>(rates: &'a mut Rates, what: &str) -> Option<&'a mut f64> {
    match what {
        "crash" => Some(&mut rates.crash),
        "vanish" => Some(&mut rates.vanish),
        "slow" => Some(&mut rates.slow),
        _ => None,
    }
}

fn probability(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value| (0.0..=1.0).contains(value))
}

fn action_of(text: &str) -> Option<Action> {
    match text {
        "crash" => Some(Action::Crash),
        "vanish" => Some(Action::Vanish),
        "return" => Some(Action::Return),
        _ => None,
    }
}

fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

fn selector(text: &str) -> Option<Selector> {
    if text == "all" {
        return Some(Selector::All);
    }
    let rest = text.strip_prefix('r')?;
    match rest.split_once('/') {
        None => rest.parse().ok().map(Selector::Rack),
        Some((rack, slot)) => Some(Selector::Slot(rack.parse().ok()?, slot.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::Floor;

    #[test]
    fn a_script_is_read() {
        let text =
            "# trouble\nrate crash 0.5\n\nat 2m crash all\nat 30s vanish r01/3 # one\nat 90s return r1\n";
        let script: Script = text.parse().unwrap();
        assert_eq!(script.rates, Rates { crash: 0.5, ..Rates::default() });
        let steps: Vec<_> = script.steps.iter().map(|step| (step.after.as_secs(), step.action)).collect();
        assert_eq!(steps, [(30, Action::Vanish), (90, Action::Return), (120, Action::Crash)]);
        assert_eq!(script.steps[0].to, Selector::Slot(1, 3));
    }

    #[test]
    fn nonsense_is_named_with_its_line() {
        for bad in
            ["rate crash 2", "rate luck 0.1", "at soon crash all", "at 1s explode all", "at 1s crash x", "?"]
        {
            let error = format!("\n{bad}").parse::<Script>().unwrap_err();
            assert_eq!(error.line, 2, "{error}");
        }
    }

    #[test]
    fn selectors_select() {
        let floor = Floor::plan("fra", 11, 4, 1).unwrap();
        let count = |to: Selector| floor.machines.iter().filter(|machine| to.matches(machine)).count();
        assert_eq!(count(Selector::All), 44);
        assert_eq!(count(Selector::Rack(1)), 4);
        assert_eq!(count(Selector::Rack(11)), 4);
        assert_eq!(count(Selector::Slot(1, 3)), 1);
        assert_eq!(count(Selector::Slot(12, 0)), 0);
    }
}
