//! Which images may run on which sizes.

use metal_model::size::SizeImageConstraint;
use metal_model::v1::EmptyBody;
use metal_model::v1::operation as op;
use metal_plan::size_image_constraint;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_SIZE_IMAGE_CONSTRAINTS, list)
        .on(&op::CREATE_SIZE_IMAGE_CONSTRAINT, create)
        .on(&op::UPDATE_SIZE_IMAGE_CONSTRAINT, update)
        .on(&op::TRY_SIZE_IMAGE_CONSTRAINT, try_)
        .on(&op::FIND_SIZE_IMAGE_CONSTRAINT, get)
        .on(&op::DELETE_SIZE_IMAGE_CONSTRAINT, delete);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    let published = call.snapshot().await?;
    let all = published.state.size_image_constraints.iter().cloned().collect();
    Ok(call.list(published, all, |_, one| size_image_constraint::list_response(one)))
}

async fn get(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| {
        size_image_constraint::response(snapshot, snapshot.find::<SizeImageConstraint>(call.id())?)
    })
    .await
}

async fn create(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let created = size_image_constraint::create(tx, env, &request)?;
        size_image_constraint::response(tx.state(), &created)
    })
    .await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let changed = size_image_constraint::update(tx, env, &request)?;
        size_image_constraint::response(tx.state(), &changed)
    })
    .await
}

async fn delete(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let gone = size_image_constraint::delete(tx, env, &id)?;
        size_image_constraint::response(tx.state(), &gone)
    })
    .await
}

async fn try_(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.look(|snapshot| size_image_constraint::try_(snapshot, &request).map(|()| EmptyBody {})).await
}
