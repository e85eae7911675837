//! Partitions. Whether the URLs of their boot configuration can be fetched is checked here, before the decision.

use metal_model::partition::Partition;
use metal_model::v1::operation as op;
use metal_model::v1::{PartitionBootConfiguration, PartitionCreateRequest, PartitionUpdateRequest};
use metal_plan::partition;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_PARTITIONS, list)
        .on(&op::CREATE_PARTITION, create)
        .on(&op::UPDATE_PARTITION, update)
        .on(&op::PARTITION_CAPACITY, capacity)
        .on(&op::FIND_PARTITION, get)
        .on(&op::DELETE_PARTITION, delete);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| {
        Ok(snapshot.partitions.iter().map(|p| partition::list_response(p)).collect::<Vec<_>>())
    })
    .await
}

async fn get(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| partition::response(snapshot, snapshot.find::<Partition>(call.id())?)).await
}

/// An empty URL fails where all of it must be given.
async fn check(call: &Call, boot: &PartitionBootConfiguration, is_whole: bool) -> Result<(), Fault> {
    for (field, url) in [("imageurl", &boot.imageurl), ("kernelurl", &boot.kernelurl)] {
        if is_whole || !url.is_empty() {
            call.check_url(field, url).await?;
        }
    }
    Ok(())
}

async fn create(call: Call) -> Result<Reply, Fault> {
    let request: PartitionCreateRequest = call.read()?;
    // One that exists is a conflict, whatever its URLs answer today.
    if !call.snapshot().await?.state.partitions.contains(&request.id) {
        check(&call, &request.bootconfig, true).await?;
    }
    call.change(move |tx, env| {
        let created = partition::create(tx, env, &request)?;
        partition::response(tx.state(), &created)
    })
    .await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let request: PartitionUpdateRequest = call.read()?;
    if let Some(boot) = &request.bootconfig
        && call.snapshot().await?.state.partitions.contains(&request.id)
    {
        check(&call, boot, false).await?;
    }
    call.change(move |tx, env| {
        let changed = partition::update(tx, env, &request)?;
        partition::response(tx.state(), &changed)
    })
    .await
}

async fn delete(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let gone = partition::delete(tx, env, &id)?;
        partition::response(tx.state(), &gone)
    })
    .await
}

async fn capacity(call: Call) -> Result<Reply, Fault> {
    let request = call.read()?;
    let env = call.env();
    call.look(|snapshot| partition::capacity(snapshot, &env, &request)).await
}
