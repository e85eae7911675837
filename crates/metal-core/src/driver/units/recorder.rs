//! Writes down which programs would run, and lets some of them fail.

use std::sync::Mutex;

use super::command::{CommandError, Commands};

/// Records commands; the chosen ones fail, once each.
#[derive(Debug, Default)]
pub struct Recorder {
    commands: Mutex<Vec<String>>,
    failing: Mutex<Vec<String>>,
}

impl Recorder {
    /// Lets the next command that contains this text fail.
    pub fn fail(&self, text: &str) {
        self.failing.lock().unwrap().push(text.to_owned());
    }

    /// What was run since this was last asked.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.commands.lock().unwrap())
    }
}

impl Commands for Recorder {
    fn run(&self, command: &[&str]) -> Result<(), CommandError> {
        let command = command.join(" ");
        self.commands.lock().unwrap().push(command.clone());
        let mut failing = self.failing.lock().unwrap();
        if let Some(index) = failing.iter().position(|text| command.contains(text.as_str())) {
            failing.remove(index);
            return Err(CommandError::Failed {
                command,
                status: "exit status: 1".into(),
                said: "told to".into(),
            });
        }
        Ok(())
    }
}
