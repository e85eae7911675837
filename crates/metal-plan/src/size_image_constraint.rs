//! Which image versions a size allows: hardware that needs a kernel of a certain age says so here.

use std::sync::Arc;

use metal_model::id::SizeId;
use metal_model::image::Image;
use metal_model::size::{Size, SizeImageConstraint};
use metal_model::v1;

use crate::version::{self, Expression};
use crate::{Env, Error, Snapshot, Tx, image};

/// Adds the constraint of a size.
pub fn create(
    tx: &mut Tx,
    env: &mut Env,
    req: &v1::SizeImageConstraintCreateRequest,
) -> Result<Arc<SizeImageConstraint>, Error> {
    if req.id.is_empty() {
        return Err(Error::invalid("id", "id must name the size the constraint is for"));
    }
    version::check_expressions(&req.constraints.images)?;
    tx.create(SizeImageConstraint {
        id: SizeId::from(&req.id),
        created: env.now,
        changed: env.now,
        name: req.name.clone().unwrap_or_default(),
        description: req.description.clone().unwrap_or_default(),
        images: req.constraints.images.clone(),
    })
}

/// Replaces the map of versions, also by nothing; name and description change when given.
pub fn update(
    tx: &mut Tx,
    env: &mut Env,
    req: &v1::SizeImageConstraintUpdateRequest,
) -> Result<Arc<SizeImageConstraint>, Error> {
    tx.state().find::<SizeImageConstraint>(&req.id)?;
    let images = req.constraints.as_ref().map(|base| base.images.clone()).unwrap_or_default();
    version::check_expressions(&images)?;
    tx.modify::<SizeImageConstraint>(&req.id, |constraint| {
        if let Some(name) = &req.name {
            constraint.name.clone_from(name);
        }
        if let Some(description) = &req.description {
            constraint.description.clone_from(description);
        }
        constraint.images = images;
        constraint.changed = env.now;
    })
}

/// Removes the constraint of a size.
pub fn delete(tx: &mut Tx, _env: &mut Env, id: &str) -> Result<Arc<SizeImageConstraint>, Error> {
    let constraint = tx.state().find::<SizeImageConstraint>(id)?.clone();
    tx.delete::<SizeImageConstraint>(id);
    Ok(constraint)
}

/// The wire form.
pub fn response(
    _snapshot: &Snapshot,
    constraint: &SizeImageConstraint,
) -> Result<v1::SizeImageConstraintResponse, Error> {
    Ok(list_response(constraint))
}

/// The wire form; it refers to nothing.
pub fn list_response(constraint: &SizeImageConstraint) -> v1::SizeImageConstraintResponse {
    v1::SizeImageConstraintResponse {
        id: constraint.id.to_string(),
        name: constraint.name.clone(),
        description: constraint.description.clone(),
        constraints: v1::SizeImageConstraintBase { images: constraint.images.clone() },
    }
}

/// Would an allocation of this size with this image be allowed?
pub fn try_(snapshot: &Snapshot, req: &v1::SizeImageConstraintTryRequest) -> Result<(), Error> {
    if req.size.is_empty() {
        return Err(Error::invalid("size", "size must not be empty"));
    }
    if req.image.is_empty() {
        return Err(Error::invalid("image", "image must not be empty"));
    }
    snapshot.find::<Size>(&req.size)?;
    let image = image::resolve(snapshot, &req.image)?;
    allow(snapshot, &SizeId::from(&req.size), &image)
}

/// Refuses (422) an image the size does not allow. Sizes without a constraint, and operating systems it does not
/// mention, are free.
pub(crate) fn allow(snapshot: &Snapshot, size: &SizeId, image: &Image) -> Result<(), Error> {
    let Some(constraint) = snapshot.size_image_constraints.get(size.as_str()) else { return Ok(()) };
    let Some(text) = constraint.images.get(&image.os) else { return Ok(()) };
    let refused =
        |why: String| Error::refused(format!("size {size:?} does not allow image {:?}: {why}", image.id));
    let version = version::parse(&image.version).map_err(|error| refused(error.to_string()))?;
    if version.patch == 0 {
        return Err(refused("its version has no patch part, which the constraint compares".to_owned()));
    }
    let expression = Expression::parse(text).map_err(|error| refused(error.to_string()))?;
    if expression.accepts(&version) {
        return Ok(());
    }
    Err(refused(format!("version {version} does not satisfy {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Class;
    use crate::allocation::tests::world::{SIZE, World};

    fn request(id: &str, images: &[(&str, &str)]) -> v1::SizeImageConstraintCreateRequest {
        let images = images.iter().map(|(os, text)| ((*os).to_owned(), (*text).to_owned())).collect();
        v1::SizeImageConstraintCreateRequest {
            id: id.to_owned(),
            constraints: v1::SizeImageConstraintBase { images },
            ..v1::SizeImageConstraintCreateRequest::default()
        }
    }

    #[test]
    fn expressions_are_checked() {
        let mut world = World::new();
        for req in [
            request("", &[]),
            request("a", &[("*", "*")]),
            request("a", &[("ubuntu", ">=1")]),
            request("a", &[("ubuntu", "")]),
        ] {
            let error = world.attempt(|tx, env| create(tx, env, &req)).unwrap_err();
            assert_eq!(error.class, Class::Invalid, "{error}");
        }
        world.change(|tx, env| create(tx, env, &request("a", &[("ubuntu", "*")])));
        let empty = v1::SizeImageConstraintUpdateRequest { id: "a".into(), ..Default::default() };
        let constraint = world.change(|tx, env| update(tx, env, &empty));
        assert!(constraint.images.is_empty(), "absent means none");
        world.change(|tx, env| delete(tx, env, "a"));
        assert_eq!(world.attempt(|tx, env| update(tx, env, &empty)).unwrap_err().class, Class::NotFound);
    }

    #[test]
    fn trying_tells_what_an_allocation_would_do() {
        let mut world = World::new();
        let id = |id: &str| v1::ImageCreateRequest { id: id.into(), url: "u".into(), ..Default::default() };
        world.change(|tx, env| image::create(tx, env, &id("beos-5.0")));
        world.change(|tx, env| {
            create(tx, env, &request(SIZE, &[("ubuntu", ">= 24.04.20250601"), ("beos", "*")]))
        });
        let tried = |size: &str, image: &str| {
            let req = v1::SizeImageConstraintTryRequest { size: size.into(), image: image.into() };
            try_(&world.snapshot, &req).map_err(|error| error.class)
        };
        assert_eq!(tried(SIZE, "ubuntu-24.04"), Ok(()));
        assert_eq!(tried(SIZE, "ubuntu-24.04.20250101"), Err(Class::Refused));
        assert_eq!(tried(SIZE, "debian-12.0"), Ok(()), "not mentioned");
        assert_eq!(tried(SIZE, "beos-5.0"), Err(Class::Refused), "no patch part");
        assert_eq!(tried("", "ubuntu-24.04"), Err(Class::Invalid));
        assert_eq!(tried(SIZE, ""), Err(Class::Invalid));
        assert_eq!(tried("none", "ubuntu-24.04"), Err(Class::NotFound));
        assert_eq!(tried(SIZE, "ubuntu-9"), Err(Class::NotFound));
    }
}
