//! Reservations of machines of a size.

use metal_model::size::SizeReservation;
use metal_model::v1::operation as op;
use metal_plan::size_reservation;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_SIZE_RESERVATIONS, list)
        .on(&op::CREATE_SIZE_RESERVATION, create)
        .on(&op::UPDATE_SIZE_RESERVATION, update)
        .on(&op::FIND_SIZE_RESERVATIONS, find)
        .on(&op::SIZE_RESERVATIONS_USAGE, usage)
        .on(&op::GET_SIZE_RESERVATION, get)
        .on(&op::DELETE_SIZE_RESERVATION, delete);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    let published = call.snapshot().await?;
    let all = published.state.size_reservations.iter().cloned().collect();
    Ok(call.list(published, all, |_, one| size_reservation::list_response(one)))
}

async fn find(call: Call) -> Result<Reply, Fault> {
    let query = call.read()?;
    let published = call.snapshot().await?;
    let found = size_reservation::find(&published.state, &query)?;
    Ok(call.list(published, found, |_, one| size_reservation::list_response(one)))
}

async fn get(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| size_reservation::response(snapshot, snapshot.find::<SizeReservation>(call.id())?))
        .await
}

async fn create(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let created = size_reservation::create(tx, env, &request)?;
        size_reservation::response(tx.state(), &created)
    })
    .await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let changed = size_reservation::update(tx, env, &request)?;
        size_reservation::response(tx.state(), &changed)
    })
    .await
}

async fn delete(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let gone = size_reservation::delete(tx, env, &id)?;
        size_reservation::response(tx.state(), &gone)
    })
    .await
}

async fn usage(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.look(|snapshot| size_reservation::usage(snapshot, &request)).await
}
