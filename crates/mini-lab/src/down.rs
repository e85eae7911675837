//! Stopping a lab.

use crate::arguments::Down;
use crate::directory::Directory;
use crate::{control, say, server};

pub async fn run(directory: &Directory, options: &Down) -> anyhow::Result<()> {
    if directory.plan()?.is_none() {
        say(&format!("There is no lab in {}.", directory.root().display()));
        return Ok(());
    }
    if control::ask(directory, "stop").await?.is_some() {
        control::wait_for_end(directory).await?;
    }
    // The lab itself may have been killed, which leaves its control plane behind.
    let place = directory.clone();
    tokio::task::block_in_place(|| server::end_leftover(&place))?;
    if options.keep {
        say("Stopped; `mini-lab up` continues.");
    } else {
        directory.remove()?;
        say(&format!("Stopped; {} is removed.", directory.root().display()));
    }
    Ok(())
}
