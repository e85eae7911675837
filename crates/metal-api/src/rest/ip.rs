//! IP addresses.

use metal_model::v1::operation as op;
use metal_plan::ip;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_IPS, list)
        .on(&op::UPDATE_IP, update)
        .on(&op::ALLOCATE_IP, |call| allocate(call, false))
        .on(&op::FIND_IPS, find)
        .on(&op::FIND_IP, get)
        .on(&op::ALLOCATE_SPECIFIC_IP, |call| allocate(call, true))
        .on(&op::FREE_IP, free);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    let published = call.snapshot().await?;
    let ips = published.state.ips.iter().cloned().collect();
    Ok(call.list(published, ips, ip::list_response))
}

async fn find(call: Call) -> Result<Reply, Fault> {
    let query = call.read()?;
    let published = call.snapshot().await?;
    let ips = ip::find(&published.state, &query)?;
    Ok(call.list(published, ips, ip::list_response))
}

async fn get(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| ip::response(snapshot, ip::get(snapshot, call.id())?)).await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    call.change(move |tx, env| {
        let changed = ip::update(tx, env, &request)?;
        ip::response(tx.state(), &changed)
    })
    .await
}

async fn allocate(call: Call, is_specific: bool) -> Result<Reply, Fault> {
    let request = call.read()?;
    let specific = is_specific.then(|| call.id().to_owned());
    if call.flag(op::DRY_RUN.name)? {
        return call
            .rehearse(|tx, env| {
                let allocated = ip::allocate(tx, env, &request, specific.as_deref())?;
                ip::response(tx.state(), &allocated)
            })
            .await;
    }
    call.change(move |tx, env| {
        let allocated = ip::allocate(tx, env, &request, specific.as_deref())?;
        ip::response(tx.state(), &allocated)
    })
    .await
}

async fn free(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let gone = ip::free(tx, env, &id)?;
        ip::response(tx.state(), &gone)
    })
    .await
}
