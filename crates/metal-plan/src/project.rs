//! Projects: what machines, networks and addresses belong to. A project belongs to a tenant for its whole life.

use std::sync::Arc;

use metal_model::id::ProjectId;
use metal_model::project::{Project, Tenant};
use metal_model::v1;

use crate::record::{self, MetaRules, stored_quotas};
use crate::{Class, Env, Error, Snapshot, Tx};

const META: MetaRules = MetaRules { kind: "Project", entity: "project" };

/// Creates a project of a tenant.
pub fn create(tx: &mut Tx, env: &mut Env, req: &v1::ProjectCreateRequest) -> Result<Arc<Project>, Error> {
    META.check(&req.meta)?;
    if req.tenant_id.is_empty() {
        return Err(Error::invalid("tenant_id", "must be given"));
    }
    let snapshot = tx.state();
    let tenant = snapshot
        .find::<Tenant>(&req.tenant_id)
        .map_err(|e| Error { field: Some("tenant_id"), ..e.as_class(Class::NotFound) })?;
    if snapshot.projects.contains(&req.meta.id) {
        return Err(Error { field: Some("meta.id"), ..Error::exists("project", &req.meta.id) });
    }
    check_project_quota(snapshot, tenant)?;
    let mut quotas = stored_quotas(req.quotas.as_ref());
    if quotas == v1::QuotaSet::default() {
        quotas = tenant.default_quotas.clone();
    }
    let tenant = tenant.id.clone();
    let id = if req.meta.id.is_empty() { env.uuid() } else { req.meta.id.clone() };
    tx.create(Project {
        id: ProjectId::from(id),
        meta: record::created(env, &req.meta),
        name: req.name.clone(),
        description: req.description.clone(),
        tenant,
        quotas,
    })
}

fn check_project_quota(snapshot: &Snapshot, tenant: &Tenant) -> Result<(), Error> {
    let Some(limit) = tenant.quotas.project.as_ref().and_then(|quota| quota.quota) else { return Ok(()) };
    let used = snapshot.index.projects_by_tenant.count(tenant.id.as_str());
    if i64::try_from(used).unwrap_or(i64::MAX) < i64::from(limit) {
        return Ok(());
    }
    let why = format!("tenant {:?} has {used} projects, its quota is {limit}", tenant.id);
    Err(Error::refused_field("tenant_id", why))
}

/// Replaces a project. The version must be the one that was read; the tenant stays.
pub fn update(tx: &mut Tx, env: &mut Env, req: &v1::ProjectUpdateRequest) -> Result<Arc<Project>, Error> {
    META.check_update(&req.meta)?;
    let old = tx.state().find::<Project>(&req.meta.id)?;
    META.check(&req.meta)?;
    if !req.tenant_id.is_empty() && old.tenant != req.tenant_id.as_str() {
        return Err(Error::refused_field(
            "tenant_id",
            format!("the tenant of project {:?} is fixed", old.id),
        ));
    }
    let project = Project {
        id: old.id.clone(),
        meta: META.updated(env, &old.meta, &req.meta)?,
        name: req.name.clone(),
        description: req.description.clone(),
        tenant: old.tenant.clone(),
        quotas: stored_quotas(req.quotas.as_ref()),
    };
    Ok(tx.put(project))
}

/// Deletes a project that owns nothing.
pub fn delete(tx: &mut Tx, _env: &mut Env, id: &str) -> Result<Arc<Project>, Error> {
    let snapshot = tx.state();
    let project = snapshot.find::<Project>(id)?.clone();
    let index = &snapshot.index;
    let owned = [
        (index.machines_by_project.count(id), "machines"),
        (index.networks_by_project.count(id), "networks"),
        (index.ips_by_project.count(id), "ips"),
        (index.reservations_by_project.count(id), "size reservations"),
    ];
    if let Some((count, what)) = owned.into_iter().find(|(count, _)| *count > 0) {
        return Err(Error::invalid("id", format!("project {id:?} still has {count} {what}")));
    }
    tx.delete::<Project>(id);
    Ok(project)
}

/// Projects that meet all criteria, in the order of their ids.
pub fn find(snapshot: &Snapshot, req: &v1::ProjectFindRequest) -> Result<Vec<Arc<Project>>, Error> {
    let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
    let admit = |project: &&Arc<Project>| {
        is(&req.id, project.id.as_str())
            && is(&req.name, &project.name)
            && is(&req.description, &project.description)
            && is(&req.tenant_id, project.tenant.as_str())
    };
    let named = |id: &ProjectId| snapshot.projects.get(id.as_str());
    let candidates: Box<dyn Iterator<Item = &Arc<Project>>> = match (&req.id, &req.tenant_id) {
        (Some(id), _) => Box::new(snapshot.projects.get(id).into_iter()),
        (None, Some(tenant)) => {
            let projects = snapshot.index.projects_by_tenant.set(tenant.as_str());
            Box::new(projects.into_iter().flatten().filter_map(named))
        }
        (None, None) => Box::new(snapshot.projects.iter()),
    };
    Ok(candidates.filter(admit).cloned().collect())
}

/// The answer about a project.
pub fn response(_snapshot: &Snapshot, project: &Project) -> Result<v1::ProjectResponse, Error> {
    Ok(v1::Project {
        meta: META.response(project.id.as_str(), &project.meta),
        name: project.name.clone(),
        description: project.description.clone(),
        tenant_id: String::from(&project.tenant),
        quotas: record::quotas_response(&project.quotas),
    })
}

/// The answer about a single project that was asked for: also tells how many machines and addresses it has.
pub fn get_response(snapshot: &Snapshot, project: &Project) -> Result<v1::ProjectResponse, Error> {
    let mut answer = response(snapshot, project)?;
    let index = &snapshot.index;
    let quotas = answer.quotas.get_or_insert_default();
    let fill = |quota: &mut Option<v1::Quota>, used: usize| {
        quota.get_or_insert_default().used = Some(i32::try_from(used).unwrap_or(i32::MAX));
    };
    fill(&mut quotas.machine, index.machines_by_project.count(project.id.as_str()));
    fill(&mut quotas.ip, index.ips_by_project.count(project.id.as_str()));
    Ok(answer)
}
