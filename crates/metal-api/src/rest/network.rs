//! Networks.

use metal_model::network::Network;
use metal_model::v1::operation as op;
use metal_plan::network;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_NETWORKS, list)
        .on(&op::CREATE_NETWORK, create)
        .on(&op::UPDATE_NETWORK, update)
        .on(&op::ALLOCATE_NETWORK, allocate)
        .on(&op::FIND_NETWORKS, find)
        .on(&op::FIND_NETWORK, get)
        .on(&op::DELETE_NETWORK, delete)
        .on(&op::FREE_NETWORK_DEPRECATED, free)
        .on(&op::FREE_NETWORK, free);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    let published = call.snapshot().await?;
    let networks = published.state.networks.iter().cloned().collect();
    Ok(call.list(published, networks, network::list_response))
}

async fn find(call: Call) -> Result<Reply, Fault> {
    let query = call.read()?;
    let published = call.snapshot().await?;
    let networks = network::find(&published.state, &query)?;
    Ok(call.list(published, networks, network::list_response))
}

async fn get(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| network::response(snapshot, snapshot.find::<Network>(call.id())?)).await
}

async fn create(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let created = network::create(tx, env, &request)?;
        network::response(tx.state(), &created)
    })
    .await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let (request, force) = (call.read()?, call.flag("force")?);
    call.change(move |tx, env| {
        let changed = network::update(tx, env, &request, force)?;
        network::response(tx.state(), &changed)
    })
    .await
}

async fn allocate(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    if call.flag(op::DRY_RUN.name)? {
        return call
            .rehearse(|tx, env| {
                let allocated = network::allocate(tx, env, &request)?;
                network::response(tx.state(), &allocated)
            })
            .await;
    }
    call.change(move |tx, env| {
        let allocated = network::allocate(tx, env, &request)?;
        network::response(tx.state(), &allocated)
    })
    .await
}

async fn delete(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let gone = network::delete(tx, env, &id)?;
        Ok(network::list_response(tx.state(), &gone))
    })
    .await
}

async fn free(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let gone = network::free(tx, env, &id)?;
        Ok(network::list_response(tx.state(), &gone))
    })
    .await
}
