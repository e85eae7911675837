//! Operating system images: their life, and which one a semantic version means.
//!
//! The id is `<os>-<version>`. Everything that only looks takes the id literally; only allocation, `latest`, `query`
//! and the try of a size-image constraint resolve it as a version of its operating system.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use metal_model::id::ImageId;
use metal_model::image::Image;
use metal_model::v1;
use semver::Version;

use crate::{Env, Error, Snapshot, Tx, version};

/// What an image can be used as.
const FEATURES: [&str; 2] = ["machine", "firewall"];
/// How far an image is trusted; informational.
const CLASSIFICATIONS: [&str; 3] = ["preview", "supported", "deprecated"];
/// Days until a new image expires when nothing else is asked for.
const DEFAULT_LIFETIME_DAYS: i64 = 90;

/// Operating system and version of an image id; the version stands after the last dash.
pub fn split_id(id: &str) -> Result<(&str, Version), Error> {
    let wrong = |why: String| Error::invalid("id", why);
    let (os, text) = id
        .rsplit_once('-')
        .ok_or_else(|| wrong(format!("image id {id:?} has no version; name it <os>-<version>")))?;
    if os.is_empty() {
        return Err(wrong(format!("image id {id:?} has no operating system; name it <os>-<version>")));
    }
    let parsed = version::parse(text).map_err(|error| wrong(format!("image id {id:?}: {error}")))?;
    Ok((os, parsed))
}

/// Adds an image. That its URL can be fetched is the caller's to check.
pub fn create(tx: &mut Tx, env: &mut Env, req: &v1::ImageCreateRequest) -> Result<Arc<Image>, Error> {
    if req.id.is_empty() {
        return Err(Error::invalid("id", "id of the image must not be empty"));
    }
    if req.url.is_empty() {
        return Err(Error::invalid("url", "url of the image must not be empty"));
    }
    check_features(&req.features)?;
    let (os, version) = split_id(&req.id)?;
    let classification = req.classification.as_deref().filter(|c| !c.is_empty()).unwrap_or("preview");
    check_classification(classification)?;
    let expiration = match req.expiration_date {
        Some(at) => at.0,
        None => env
            .now
            .checked_add(SignedDuration::from_hours(24 * DEFAULT_LIFETIME_DAYS))
            .map_err(|error| Error::internal(format!("cannot compute the image's expiration: {error}")))?,
    };
    tx.create(Image {
        id: ImageId::from(&req.id),
        created: env.now,
        changed: env.now,
        name: req.name.clone().unwrap_or_default(),
        description: req.description.clone().unwrap_or_default(),
        url: req.url.clone(),
        features: req.features.clone(),
        os: os.to_owned(),
        version: version.to_string(),
        expiration,
        classification: classification.to_owned(),
    })
}

/// Changes what is given.
pub fn update(tx: &mut Tx, env: &mut Env, req: &v1::ImageUpdateRequest) -> Result<Arc<Image>, Error> {
    tx.state().find::<Image>(&req.id)?;
    check_features(&req.features)?;
    if let Some(classification) = &req.classification {
        check_classification(classification)?;
    }
    tx.modify::<Image>(&req.id, |image| {
        if let Some(name) = &req.name {
            image.name.clone_from(name);
        }
        if let Some(description) = &req.description {
            image.description.clone_from(description);
        }
        if let Some(url) = req.url.as_ref().filter(|url| !url.is_empty()) {
            image.url.clone_from(url);
        }
        if !req.features.is_empty() {
            image.features.clone_from(&req.features);
        }
        if let Some(at) = req.expiration_date {
            image.expiration = at.0;
        }
        if let Some(classification) = &req.classification {
            image.classification.clone_from(classification);
        }
        image.changed = env.now;
    })
}

/// Removes an image nobody uses.
pub fn delete(tx: &mut Tx, _env: &mut Env, id: &str) -> Result<Arc<Image>, Error> {
    let image = tx.state().find::<Image>(id)?.clone();
    let users = tx.state().index.machines_by_image.count(id);
    if users > 0 {
        return Err(Error::refused(format!(
            "image {id:?} is in use by {users} machines; free or reinstall them first"
        )));
    }
    tx.delete::<Image>(id);
    Ok(image)
}

/// Images that satisfy all criteria.
pub fn find(snapshot: &Snapshot, req: &v1::ImageFindRequest) -> Result<Vec<Arc<Image>>, Error> {
    let is =
        |want: &Option<String>, have: &str| want.as_ref().is_none_or(|want| want.is_empty() || want == have);
    let fits = |image: &Image| {
        is(&req.name, &image.name)
            && is(&req.os, &image.os)
            && is(&req.version, &image.version)
            && is(&req.classification, &image.classification)
            && req.features.iter().all(|feature| image.features.contains(feature))
    };
    Ok(match req.id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => snapshot.images.get(id).filter(|image| fits(image)).cloned().into_iter().collect(),
        None => snapshot.images.iter().filter(|image| fits(image)).cloned().collect(),
    })
}

/// The wire form; with `usage` it names the machines that use the image.
pub fn response(snapshot: &Snapshot, image: &Image, usage: bool) -> Result<v1::ImageResponse, Error> {
    let mut response = list_response(image);
    if usage {
        response.usedby = snapshot.index.machines_by_image.get(&image.id).map(String::from).collect();
    }
    Ok(response)
}

/// The wire form without usage.
pub fn list_response(image: &Image) -> v1::ImageResponse {
    v1::ImageResponse {
        id: image.id.to_string(),
        name: image.name.clone(),
        description: image.description.clone(),
        url: image.url.clone(),
        features: image.features.clone(),
        expiration_date: image.expiration.into(),
        classification: image.classification.clone(),
        usedby: Vec::new(),
        created: image.created.into(),
        changed: image.changed.into(),
    }
}

/// The newest image an id means: that version when its patch part is given, else the highest patch of its minor.
pub fn resolve(snapshot: &Snapshot, id: &str) -> Result<Arc<Image>, Error> {
    matching(snapshot, id)?
        .into_iter()
        .max_by(|(a, left), (b, right)| a.cmp(b).then_with(|| left.id.cmp(&right.id)))
        .map(|(_, image)| image)
        .ok_or_else(|| unresolved(id, "no version of this operating system matches"))
}

/// All images an id means, in order of their ids.
pub fn query(snapshot: &Snapshot, id: &str) -> Result<Vec<Arc<Image>>, Error> {
    Ok(matching(snapshot, id)?.into_iter().map(|(_, image)| image).collect())
}

fn unresolved(id: &str, why: &str) -> Error {
    let mut error = Error::not_found("image", id);
    error.message = format!("NotFound no image for id:{id} found: {why}");
    error
}

fn matching(snapshot: &Snapshot, id: &str) -> Result<Vec<(Version, Arc<Image>)>, Error> {
    let (os, wanted) = split_id(id).map_err(|error| unresolved(id, &error.message))?;
    let fits = |have: &Version| {
        if wanted.patch > 0 {
            *have == wanted
        } else {
            (have.major, have.minor) == (wanted.major, wanted.minor) && have.pre.is_empty()
        }
    };
    Ok(snapshot
        .index
        .images_by_os
        .get(os)
        .filter_map(|id| snapshot.images.get(id.as_str()))
        .filter_map(|image| Some((version::parse(&image.version).ok()?, image.clone())))
        .filter(|(have, _)| fits(have))
        .collect())
}

/// Removes images that are expired and unused; the newest of each operating system always stays. Returns the removed ids.
pub fn expire(tx: &mut Tx, env: &mut Env) -> Vec<ImageId> {
    let state = tx.state();
    let newest: BTreeSet<ImageId> = state
        .index
        .images_by_os
        .keys()
        .filter_map(|os| {
            state
                .index
                .images_by_os
                .get(os)
                .filter_map(|id| Some((version::parse(&state.images.get(id.as_str())?.version).ok()?, id)))
                .max()
                .map(|(_, id)| id.clone())
        })
        .collect();
    let expired: Vec<ImageId> = state
        .images
        .iter()
        .filter(|image| image.expiration < env.now && !newest.contains(&image.id))
        .filter(|image| state.index.machines_by_image.count(&image.id) == 0)
        .map(|image| image.id.clone())
        .collect();
    for id in &expired {
        tx.delete::<Image>(id.as_str());
    }
    expired
}

fn check_features(features: &[String]) -> Result<(), Error> {
    match features.iter().find(|feature| !FEATURES.contains(&feature.as_str())) {
        Some(wrong) => Err(Error::invalid(
            "features",
            format!("{wrong:?} is not a feature an image can have; use machine or firewall"),
        )),
        None => Ok(()),
    }
}

fn check_classification(classification: &str) -> Result<(), Error> {
    if CLASSIFICATIONS.contains(&classification) {
        return Ok(());
    }
    Err(Error::invalid(
        "classification",
        format!("{classification:?} is not a classification; use preview, supported or deprecated"),
    ))
}

#[cfg(test)]
mod tests {
    use metal_model::machine::{Allocation, Machine};

    use super::*;
    use crate::Class;
    use crate::allocation::tests::world::World;

    fn request(id: &str) -> v1::ImageCreateRequest {
        let url = "http://images/x".to_owned();
        v1::ImageCreateRequest { id: id.to_owned(), url, ..v1::ImageCreateRequest::default() }
    }

    fn add(world: &mut World, id: &str, days: i64) {
        let at = world.now + SignedDuration::from_hours(24 * days);
        let req = v1::ImageCreateRequest { expiration_date: Some(at.into()), ..request(id) };
        world.change(|tx, env| create(tx, env, &req));
    }

    #[test]
    fn ids_end_with_a_version() {
        assert_eq!(split_id("ubuntu-small-24.04").unwrap(), ("ubuntu-small", Version::new(24, 4, 0)));
        for wrong in ["ubuntu", "-1.0", "ubuntu-", "ubuntu-x", "24.04", ""] {
            assert_eq!(split_id(wrong).unwrap_err().class, Class::Invalid, "{wrong}");
        }
    }

    #[test]
    fn creating_fills_in_and_refuses() {
        let mut world = World::new();
        let image = world.change(|tx, env| create(tx, env, &request("plan9-4.0.1")));
        assert_eq!(
            (image.os.as_str(), image.version.as_str(), image.classification.as_str()),
            ("plan9", "4.0.1", "preview")
        );
        assert_eq!(image.expiration.duration_since(world.now).as_hours(), 24 * DEFAULT_LIFETIME_DAYS);
        for (req, word) in [
            (request(""), "id"),
            (request("plan9"), "id"),
            (v1::ImageCreateRequest { url: String::new(), ..request("a-1") }, "url"),
            (v1::ImageCreateRequest { features: vec!["router".into()], ..request("a-1") }, "features"),
            (
                v1::ImageCreateRequest { classification: Some("old".into()), ..request("a-1") },
                "classification",
            ),
        ] {
            let error = world.attempt(|tx, env| create(tx, env, &req)).unwrap_err();
            assert_eq!((error.class, error.field), (Class::Invalid, Some(word)));
        }
        let again = world.attempt(|tx, env| create(tx, env, &request("plan9-4.0.1"))).unwrap_err();
        assert_eq!(again.class, Class::Conflict);
    }

    #[test]
    fn versions_resolve_to_the_newest_patch() {
        let mut world = World::new();
        for id in ["ubuntu-24.10.20250101", "ubuntu-24.4.9", "ubuntu-small-24.4.20300101"] {
            add(&mut world, id, 1);
        }
        let resolved = |id: &str| resolve(&world.snapshot, id).map(|image| image.id.to_string());
        assert_eq!(resolved("ubuntu-24.04").unwrap(), "ubuntu-24.04.20250601");
        assert_eq!(resolved("ubuntu-24.4.0").unwrap(), "ubuntu-24.04.20250601");
        assert_eq!(resolved("ubuntu-24.04.20250101").unwrap(), "ubuntu-24.04.20250101");
        assert_eq!(resolved("ubuntu-24.04.09").unwrap(), "ubuntu-24.4.9");
        for none in ["ubuntu-24", "ubuntu-24.04.7", "ubuntu-22.04", "debian", "beos-1"] {
            let error = resolved(none).unwrap_err();
            assert_eq!(error.class, Class::NotFound, "{none}");
            assert!(error.message.starts_with(&format!("NotFound no image for id:{none} found:")), "{error}");
        }
        let all = query(&world.snapshot, "ubuntu-24.04").unwrap();
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn used_and_newest_images_stay() {
        let mut world = World::new();
        for (id, days) in [("beos-1.0.1", -3), ("beos-1.0.10", -2), ("beos-1.0.9", -1), ("beos-1.0.2", -1)] {
            add(&mut world, id, days);
        }
        let allocation = Allocation { image: "beos-1.0.2".into(), ..Allocation::default() };
        world.change(|tx, _| {
            let allocation = Some(Arc::new(allocation));
            tx.create(Machine { id: "m".into(), allocation, ..Machine::default() })
        });
        let removed = world.change(|tx, env| Ok(expire(tx, env)));
        assert_eq!(removed, ["beos-1.0.1", "beos-1.0.9"]);
        assert_eq!(world.attempt(|tx, env| delete(tx, env, "beos-1.0.2")).unwrap_err().class, Class::Refused);
        let image = world.snapshot.images.get("beos-1.0.2").unwrap();
        assert_eq!(response(&world.snapshot, image, true).unwrap().usedby, ["m"]);
        assert!(response(&world.snapshot, image, false).unwrap().usedby.is_empty());
        world.change(|tx, env| delete(tx, env, "beos-1.0.10"));
        assert_eq!(world.attempt(|tx, env| delete(tx, env, "x")).unwrap_err().class, Class::NotFound);
    }

    #[test]
    fn updating_and_finding() {
        let mut world = World::new();
        let id = "debian-12.0.20250101";
        let req = v1::ImageUpdateRequest {
            id: id.into(),
            classification: Some("deprecated".into()),
            ..v1::ImageUpdateRequest::default()
        };
        let image = world.change(|tx, env| update(tx, env, &req));
        assert_eq!(
            (image.classification.as_str(), image.features.as_slice()),
            ("deprecated", &["machine".to_owned()][..])
        );
        let found = |req: v1::ImageFindRequest| find(&world.snapshot, &req).unwrap().len();
        let none = v1::ImageFindRequest::default;
        assert_eq!(found(none()), 4);
        assert_eq!(found(v1::ImageFindRequest { os: Some("ubuntu".into()), ..none() }), 2);
        assert_eq!(found(v1::ImageFindRequest { features: vec!["firewall".into()], ..none() }), 1);
        assert_eq!(found(v1::ImageFindRequest { classification: Some("deprecated".into()), ..none() }), 1);
        assert_eq!(found(v1::ImageFindRequest { id: Some(id.into()), os: Some("x".into()), ..none() }), 0);
    }
}
