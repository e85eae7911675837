//! Tenants: who owns projects. They carry the defaults of new projects and where their people log in.

use std::sync::Arc;

use metal_model::id::TenantId;
use metal_model::project::Tenant;
use metal_model::v1;

use crate::record::{self, MetaRules, stored_quotas};
use crate::{Env, Error, Snapshot, Tx};

const META: MetaRules = MetaRules { kind: "Tenant", entity: "tenant" };

/// Creates a tenant.
pub fn create(tx: &mut Tx, env: &mut Env, req: &v1::TenantCreateRequest) -> Result<Arc<Tenant>, Error> {
    META.check(&req.meta)?;
    if tx.state().tenants.contains(&req.meta.id) {
        return Err(Error { field: Some("meta.id"), ..Error::exists("tenant", &req.meta.id) });
    }
    let id = if req.meta.id.is_empty() { env.uuid() } else { req.meta.id.clone() };
    tx.create(Tenant {
        id: TenantId::from(id),
        meta: record::created(env, &req.meta),
        name: req.name.clone(),
        description: req.description.clone(),
        default_quotas: stored_quotas(req.default_quotas.as_ref()),
        quotas: stored_quotas(req.quotas.as_ref()),
        iam: req.iam_config.clone(),
    })
}

/// Replaces a tenant. The version must be the one that was read.
pub fn update(tx: &mut Tx, env: &mut Env, req: &v1::TenantUpdateRequest) -> Result<Arc<Tenant>, Error> {
    META.check_update(&req.meta)?;
    let old = tx.state().find::<Tenant>(&req.meta.id)?;
    META.check(&req.meta)?;
    let tenant = Tenant {
        id: old.id.clone(),
        meta: META.updated(env, &old.meta, &req.meta)?,
        name: req.name.clone(),
        description: req.description.clone(),
        default_quotas: stored_quotas(req.default_quotas.as_ref()),
        quotas: stored_quotas(req.quotas.as_ref()),
        iam: req.iam_config.clone(),
    };
    Ok(tx.put(tenant))
}

/// Deletes a tenant without projects.
pub fn delete(tx: &mut Tx, _env: &mut Env, id: &str) -> Result<Arc<Tenant>, Error> {
    let tenant = tx.state().find::<Tenant>(id)?.clone();
    let projects = tx.state().index.projects_by_tenant.count(id);
    if projects > 0 {
        return Err(Error::refused_field("id", format!("tenant {id:?} still has {projects} projects")));
    }
    tx.delete::<Tenant>(id);
    Ok(tenant)
}

/// Tenants that meet all criteria, in the order of their ids; of a long answer only the page asked for. Pages count
/// from 0.
pub fn find(snapshot: &Snapshot, req: &v1::TenantFindRequest) -> Result<Vec<Arc<Tenant>>, Error> {
    let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
    let admit = |tenant: &&Arc<Tenant>| {
        is(&req.id, tenant.id.as_str())
            && is(&req.name, &tenant.name)
            && req.annotations.iter().all(|(key, value)| tenant.meta.annotations.get(key) == Some(value))
    };
    let paging = req.paging.clone().unwrap_or_default();
    let count = paging.count.filter(|count| *count > 0);
    let skipped = count.map_or(0, |count| paging.page.unwrap_or_default().saturating_mul(count));
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let found = snapshot.tenants.iter().filter(admit).skip(size(skipped));
    Ok(found.take(count.map_or(usize::MAX, size)).cloned().collect())
}

/// The answer about a tenant.
pub fn response(_snapshot: &Snapshot, tenant: &Tenant) -> Result<v1::TenantResponse, Error> {
    Ok(v1::Tenant {
        meta: META.response(tenant.id.as_str(), &tenant.meta),
        name: tenant.name.clone(),
        description: tenant.description.clone(),
        default_quotas: record::quotas_response(&tenant.default_quotas),
        quotas: record::quotas_response(&tenant.quotas),
        iam_config: tenant.iam.clone(),
    })
}
