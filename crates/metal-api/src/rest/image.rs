//! Images. Whether their URLs can be fetched is checked here, before the decision: a decision cannot wait.

use metal_model::image::Image;
use metal_model::v1::operation as op;
use metal_model::v1::{ImageCreateRequest, ImageUpdateRequest};
use metal_plan::image;

use super::{Call, Fault, Reply, Routes};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .on(&op::LIST_IMAGES, list)
        .on(&op::CREATE_IMAGE, create)
        .on(&op::UPDATE_IMAGE, update)
        .on(&op::FIND_IMAGES, find)
        .on(&op::FIND_IMAGE, get)
        .on(&op::DELETE_IMAGE, delete)
        .on(&op::FIND_LATEST_IMAGE, latest)
        .on(&op::QUERY_IMAGES_BY_ID, query);
}

async fn list(call: Call) -> Result<Reply, Fault> {
    let usage = call.flag("show-usage")?;
    call.look(|snapshot| {
        snapshot.images.iter().map(|i| image::response(snapshot, i, usage)).collect::<Result<Vec<_>, _>>()
    })
    .await
}

async fn find(call: Call) -> Result<Reply, Fault> {
    let (request, usage) = (call.read()?, call.flag("show-usage")?);
    call.look(|snapshot| {
        let found = image::find(snapshot, &request)?;
        found.iter().map(|i| image::response(snapshot, i, usage)).collect::<Result<Vec<_>, _>>()
    })
    .await
}

async fn get(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| image::response(snapshot, snapshot.find::<Image>(call.id())?, false)).await
}

async fn latest(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| {
        let newest = image::resolve(snapshot, call.id())?;
        image::response(snapshot, &newest, false)
    })
    .await
}

async fn query(call: Call) -> Result<Reply, Fault> {
    call.look(|snapshot| {
        let found = image::query(snapshot, call.id())?;
        Ok(found.iter().map(|i| image::list_response(i)).collect::<Vec<_>>())
    })
    .await
}

async fn create(call: Call) -> Result<Reply, Fault> {
    let request: ImageCreateRequest = call.read()?;
    // One that exists is a conflict, whatever its URL answers today.
    if !call.snapshot().await?.state.images.contains(&request.id) {
        call.check_url("url", &request.url).await?;
    }
    call.change(move |tx, env| {
        let created = image::create(tx, env, &request)?;
        image::response(tx.state(), &created, false)
    })
    .await
}

async fn update(call: Call) -> Result<Reply, Fault> {
    let request: ImageUpdateRequest = call.read()?;
    if let Some(url) = request.url.as_deref().filter(|url| !url.is_empty())
        && call.snapshot().await?.state.images.contains(&request.id)
    {
        call.check_url("url", url).await?;
    }
    call.change(move |tx, env| {
        let changed = image::update(tx, env, &request)?;
        image::response(tx.state(), &changed, false)
    })
    .await
}

async fn delete(call: Call) -> Result<Reply, Fault> {
    let id = call.id().to_owned();
    call.change(move |tx, env| {
        let gone = image::delete(tx, env, &id)?;
        image::response(tx.state(), &gone, false)
    })
    .await
}
