//! What all resources have in common: describe, create, change and delete one by name or many by file, and edit.

use std::io::{self, IsTerminal};

use anyhow::{Context, Result, bail};
use metal_client::Client;
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::arg::{DeleteArgs, FileArgs, IdArg};
use crate::print::Row;
use crate::{child, document, print};

/// A kind of thing that is created, changed and deleted.
pub trait Resource {
    /// The thing as the API answers it.
    type Model: Row + Serialize;
    /// What it is called.
    const NOUN: &'static str;

    /// Where its identifier stands in a document.
    const ID: &'static [&'static str] = &["id"];

    /// Reads one.
    async fn get(client: &Client, id: &str) -> Result<Self::Model>;
    /// Creates one from a document of the form in which it is answered.
    async fn create(client: &Client, document: Value) -> Result<Self::Model>;
    /// Changes one to what a document says.
    async fn update(client: &Client, document: Value) -> Result<Self::Model>;
    /// Deletes one.
    async fn delete(client: &Client, id: &str) -> Result<Self::Model>;
}

/// Commands all resources have.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Crud {
    /// Show one
    #[command(visible_alias = "get")]
    Describe(IdArg),
    /// Delete one, or all of a file
    #[command(visible_aliases = ["destroy", "rm", "remove"])]
    Delete(DeleteArgs),
    /// Change one in your editor
    Edit(IdArg),
    /// Create or change all of a file
    Apply(FileArgs),
}

impl Crud {
    /// Does it.
    pub async fn run<R: Resource>(self, app: &App) -> Result<()> {
        match self {
            Self::Describe(arg) => describe::<R>(app, &arg.id).await,
            Self::Delete(args) => delete::<R>(app, &args).await,
            Self::Edit(arg) => edit::<R>(app, &arg.id).await,
            Self::Apply(args) => apply::<R>(app, &args).await,
        }
    }
}

/// Shows one.
pub async fn describe<R: Resource>(app: &App, id: &str) -> Result<()> {
    app.printer.one(&R::get(&app.client()?, id).await?)
}

/// Deletes one, or all of a file.
pub async fn delete<R: Resource>(app: &App, args: &DeleteArgs) -> Result<()> {
    let client = app.client()?;
    let client = &client;
    match (&args.id, &args.file.file) {
        (Some(id), None) => app.printer.one(&R::delete(client, id).await?),
        (None, Some(_)) => {
            let one = async |document: Value| {
                let id = document::text(&document, R::ID);
                if id.is_empty() {
                    bail!("the document has no {}", R::ID.join("."));
                }
                R::delete(client, &id).await
            };
            each(app, &args.file, R::NOUN, "delete", true, one).await
        }
        (Some(_), Some(_)) => bail!("name one {} or a file, not both", R::NOUN),
        (None, None) => bail!("name the {} to delete, or a file with -f", R::NOUN),
    }
}

/// Creates all of a file.
pub async fn create<R: Resource>(app: &App, args: &FileArgs) -> Result<()> {
    let client = app.client()?;
    let client = &client;
    each(app, args, R::NOUN, "create", false, async |document| R::create(client, document).await).await
}

/// Changes all of a file.
pub async fn update<R: Resource>(app: &App, args: &FileArgs) -> Result<()> {
    let client = app.client()?;
    let client = &client;
    each(app, args, R::NOUN, "change", true, async |document| R::update(client, document).await).await
}

/// Creates all of a file, and changes what there is already.
pub async fn apply<R: Resource>(app: &App, args: &FileArgs) -> Result<()> {
    let client = app.client()?;
    let client = &client;
    let one = async |document: Value| match R::create(client, document.clone()).await {
        Err(error) if is_conflict(&error) => R::update(client, document).await,
        done => done,
    };
    each(app, args, R::NOUN, "apply", false, one).await
}

fn is_conflict(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<metal_client::Error>().is_some_and(metal_client::Error::is_conflict)
    })
}

/// Opens one in an editor and changes it to what comes back.
pub async fn edit<R: Resource>(app: &App, id: &str) -> Result<()> {
    let client = app.client()?;
    let before = print::yaml(&R::get(&client, id).await?)?;
    let mut text = before.clone();
    loop {
        text = child::edit(&text)?;
        if text == before {
            eprintln!("nothing was changed");
            return Ok(());
        }
        let attempt = match document::parse(&text).as_deref() {
            Ok([document]) => R::update(&client, document.clone()).await,
            Ok(_) => bail!("there must be exactly one document; nothing was changed"),
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        };
        match attempt {
            Ok(done) => return app.printer.one(&done),
            Err(error) => {
                // Nobody likes to lose what they have typed.
                eprintln!("error: {error:#}");
                app.confirm("Edit again?")?;
            }
        }
    }
}

/// Does something with each document of a file, and goes on after one that fails.
pub async fn each<M: Row + Serialize>(
    app: &App,
    args: &FileArgs,
    noun: &str,
    verb: &str,
    ask: bool,
    mut one: impl AsyncFnMut(Value) -> Result<M>,
) -> Result<()> {
    let path =
        args.file.as_deref().with_context(|| format!("name a file with -f to {verb} what is in it"))?;
    let documents = document::read(path)?;
    let count = documents.len();
    if ask && !args.skip_security_prompts && io::stdin().is_terminal() && path != "-" {
        app.confirm(&format!("{verb} {count} of kind {noun} from {path}?"))?;
    }
    let mut done = Vec::new();
    let mut failed = 0;
    for (number, document) in documents.into_iter().enumerate() {
        let start = metal_runtime::clock::monotonic();
        let result = one(document).await;
        if args.timestamps {
            eprintln!("document {} took {} ms", number + 1, start.elapsed().as_millis());
        }
        match result {
            Ok(model) if args.bulk_output => done.push(model),
            Ok(model) => {
                if number > 0 && app.printer.separates() {
                    print::emit("---\n")?;
                }
                app.printer.one(&model)?;
            }
            Err(error) => {
                failed += 1;
                eprintln!("error: {verb} {noun} of document {}: {error:#}", number + 1);
                if count == 1 {
                    return Err(error.context(format!("{verb} {noun}")));
                }
            }
        }
    }
    if args.bulk_output {
        app.printer.list(&done, &[])?;
    }
    if failed > 0 {
        bail!("{failed} of {count} documents failed");
    }
    Ok(())
}
