//! Commands to FRR: many in one go, and the one that is refused named.
//!
//! `vtysh` stops at the first command a daemon refuses, and repeats each line before its answer, so it is known how far it
//! came. FRR refuses some commands only for a moment, while it still dissolves what was removed before, or gives a daemon
//! that returned what it missed; those are said
//! again. And a daemon refuses to remove what it does not have, though others do: such are asked one by one.

use std::thread;
use std::time::Duration;

use metal_netconf::frr::Command;
use metal_runtime::clock;

use super::stuck::LOCKED;
use super::{Frr, FrrError};

/// Most commands in one call of `vtysh`.
const MOST_COMMANDS: usize = 2000;
/// Longest single argument; the kernel's limit is 128 KiB.
const LONGEST_ARGUMENT: usize = 60_000;
/// How long a command is said again that is refused for the moment; dissolving a VNI takes about half a second.
const DISSOLVING: Duration = Duration::from_secs(8);
/// How long to wait before saying it again.
const PAUSE: Duration = Duration::from_millis(100);
/// What each command may take. A device with hundreds of tables was seen to need ten milliseconds, an emulated processor
/// half a second; and `vtysh` ended in the middle of a command may leave FRR's configuration locked.
const PATIENCE_EACH: Duration = Duration::from_secs(1);
/// What many commands may take, after which FRR hangs.
const PATIENCE_ALL: Duration = Duration::from_secs(90);

/// How long another may have the lock on FRR's configuration.
const LOCK: Duration = Duration::from_secs(4);
/// Answers that mean "not yet".
const NOT_YET: [&str; 4] = ["Please unconfigure l3vni", "scheduled to be deleted", "being deleted", LOCKED];
/// What FRR answers when an instance that is to be removed is gone already.
const GONE: &str = "Can't find BGP instance";

/// A line as it is said, and the command it is said for.
struct Line<'plan> {
    text: &'plan str,
    command: usize,
}

impl Frr {
    /// Says commands in order.
    ///
    /// # Errors
    /// [`FrrError::Refused`] at the first that is refused for good: those before it have taken effect, those after it
    /// were not said. Fails too when FRR cannot be told.
    pub fn apply(&self, commands: &[Command]) -> Result<(), FrrError> {
        let mut done = 0;
        let mut refused_since = None;
        while done < commands.len() {
            let next = &commands[done..commands.len().min(done + MOST_COMMANDS)];
            let batch = next.chunk_by(|one, other| one.only == other.only).next().unwrap_or(next);
            let Some((place, answer)) = self.say(batch)? else {
                done += batch.len();
                continue;
            };
            if place > 0 {
                refused_since = None;
            }
            done += place;
            let command = &commands[done];
            if command.line.starts_with("no router bgp ") && answer.contains(GONE) {
                done += 1;
                continue;
            }
            let since = *refused_since.get_or_insert_with(clock::monotonic);
            let patience = if answer.contains(LOCKED) { LOCK } else { DISSOLVING };
            if NOT_YET.iter().any(|words| answer.contains(words)) && since.elapsed() < patience {
                thread::sleep(PAUSE);
                continue;
            }
            self.free_if_stuck(&answer);
            return Err(FrrError::Refused { command: command.to_string(), answer });
        }
        Ok(())
    }

    /// Says commands that are all for the same daemons; tells which was refused, and with what words.
    fn say(&self, commands: &[Command]) -> Result<Option<(usize, String)>, FrrError> {
        let lines = script(commands);
        let arguments = arguments(&lines);
        let only = commands.first().and_then(|command| command.only.as_deref());
        let mut words: Vec<&str> = only.map_or_else(Vec::new, |daemon| vec!["-d", daemon]);
        words.push("-E");
        words.extend(arguments.iter().flat_map(|argument| ["-c", argument.as_str()]));
        let question = commands.first().map(Command::to_string).unwrap_or_default();
        let each = PATIENCE_EACH.saturating_mul(u32::try_from(commands.len()).unwrap_or(u32::MAX));
        let said = self.vtysh(&words, None, &question, self.patience + each.min(PATIENCE_ALL))?;
        if said.is_success {
            return Ok(None);
        }
        match refused(&lines, &said.text) {
            Some((line, answer)) => Ok(Some((lines[line].command, answer))),
            None => Err(FrrError::Failed { question, answer: said.summary() }),
        }
    }
}

/// The lines for commands. A context is not left between two commands in it.
fn script(commands: &[Command]) -> Vec<Line<'_>> {
    let mut lines = vec![Line { text: "configure terminal", command: 0 }];
    let mut inside: &[String] = &[];
    for (place, command) in commands.iter().enumerate() {
        let mut say = |text| lines.push(Line { text, command: place });
        let shared = inside.iter().zip(&command.context).take_while(|(one, other)| one == other).count();
        (shared..inside.len()).for_each(|_| say("exit"));
        command.context[shared..].iter().for_each(|outer| say(outer));
        say(&command.line);
        inside = &command.context;
        if inside.is_empty() && opens(&command.line) {
            say("exit");
        }
    }
    lines
}

/// Whether a line that stands by itself opens a context.
fn opens(line: &str) -> bool {
    ["route-map ", "router ", "vrf ", "interface "].iter().any(|kind| line.starts_with(kind))
}

fn arguments(lines: &[Line<'_>]) -> Vec<String> {
    let mut arguments: Vec<String> = Vec::new();
    for line in lines {
        match arguments.last_mut() {
            Some(last) if last.len() + line.text.len() < LONGEST_ARGUMENT => {
                last.push('\n');
                last.push_str(line.text);
            }
            _ => arguments.push(line.text.to_owned()),
        }
    }
    arguments
}

/// The last line that was repeated, and what was said after it; nothing if none was.
fn refused(lines: &[Line<'_>], said: &str) -> Option<(usize, String)> {
    let mut last = None;
    let mut answer: Vec<&str> = Vec::new();
    for heard in said.lines() {
        let next = last.map_or(0, |last: usize| last + 1);
        let is_echo = |line: &Line<'_>| heard.ends_with(line.text) && heard.contains("# ");
        if lines.get(next).is_some_and(is_echo) {
            last = Some(next);
            answer.clear();
        } else if !heard.trim().is_empty() {
            answer.push(heard.trim());
        }
    }
    let words = if answer.is_empty() { "without a word".to_owned() } else { answer.join("; ") };
    last.map(|last| (last, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(context: &[&str], line: &str) -> Command {
        Command::new(context.iter().map(|&outer| outer.to_owned()).collect(), line.to_owned())
    }

    fn said(commands: &[Command]) -> Vec<String> {
        script(commands).iter().map(|line| line.text.to_owned()).collect()
    }

    #[test]
    fn contexts_are_entered_and_left_no_more_than_needed() {
        let family = ["router bgp 1", "address-family ipv4 unicast"];
        let commands = [
            command(&["router bgp 1"], "neighbor A peer-group"),
            command(&family, "neighbor A activate"),
            command(&family, "neighbor A allowas-in 2"),
            command(&["router bgp 1"], "neighbor swp1 interface peer-group A"),
            command(&[], "route-map CLOSED deny 10"),
            command(&[], "no vrf x"),
        ];
        assert_eq!(
            said(&commands),
            [
                "configure terminal",
                "router bgp 1",
                "neighbor A peer-group",
                "address-family ipv4 unicast",
                "neighbor A activate",
                "neighbor A allowas-in 2",
                "exit",
                "neighbor swp1 interface peer-group A",
                "exit",
                "route-map CLOSED deny 10",
                "exit",
                "no vrf x",
            ]
        );
    }

    #[test]
    fn the_refused_command_is_found() {
        let commands = [
            command(&["router bgp 1"], "neighbor A timers 1 3"),
            command(&["router bgp 1"], "neighbor B activate"),
        ];
        let heard = "vm# configure terminal\nvm(config)# router bgp 1\nvm(config-router)# neighbor A timers 1 3\n\
            vm(config-router)# neighbor B activate\n% Specify remote-as or peer-group commands first\n";
        let lines = script(&commands);
        let (line, answer) = refused(&lines, heard).unwrap();
        assert_eq!(
            (lines[line].command, answer.as_str()),
            (1, "% Specify remote-as or peer-group commands first")
        );
        assert!(refused(&lines, "Exiting: failed to connect to any daemons.\n").is_none());
    }

    #[test]
    fn long_scripts_are_cut_at_lines() {
        let commands: Vec<Command> =
            (0..MOST_COMMANDS).map(|n| command(&[], &format!("{n} {}", "x".repeat(50)))).collect();
        let arguments = arguments(&script(&commands));
        assert!(arguments.len() > 1 && arguments.iter().all(|argument| argument.len() <= LONGEST_ARGUMENT));
        assert_eq!(arguments.join("\n").lines().count(), MOST_COMMANDS + 1);
    }
}
