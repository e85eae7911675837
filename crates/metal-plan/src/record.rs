//! Record keeping that projects and tenants share: kind, version as an optimistic lock that clients see, times, and
//! quotas of which only the limit is stored.

use metal_model::project::Meta;
use metal_model::v1;

use crate::{Env, Error};

/// Version of the record's form; there is only one.
const API_VERSION: &str = "v1";

/// What the records of one kind are called.
pub(crate) struct MetaRules {
    /// `kind` on the wire.
    pub kind: &'static str,
    /// The word in messages.
    pub entity: &'static str,
}

impl MetaRules {
    /// Kind and version of the form may be left out, but not be others.
    pub fn check(&self, meta: &v1::Meta) -> Result<(), Error> {
        if !meta.kind.is_empty() && meta.kind != self.kind {
            let why = format!("{:?} is not {:?}", meta.kind, self.kind);
            return Err(Error::refused_field("meta.kind", why));
        }
        if !meta.apiversion.is_empty() && meta.apiversion != API_VERSION {
            let why = format!("{:?} is not {API_VERSION:?}", meta.apiversion);
            return Err(Error::refused_field("meta.apiversion", why));
        }
        Ok(())
    }

    /// An update must say what it updates.
    pub fn check_update(&self, meta: &v1::Meta) -> Result<(), Error> {
        if meta.id.is_empty() {
            return Err(Error::invalid("meta", format!("must be given with the id of the {}", self.entity)));
        }
        Ok(())
    }

    /// Record keeping of an updated record.
    pub fn updated(&self, env: &Env, old: &Meta, sent: &v1::Meta) -> Result<Meta, Error> {
        if sent.version < old.version {
            let why = format!(
                "optimistic lock error: {} {:?} has version {}, the update is for version {}",
                self.entity, sent.id, old.version, sent.version
            );
            return Err(Error::refused_field("meta.version", why));
        }
        Ok(Meta {
            // At the end of the range the version stands still, so that nobody is locked out for ever.
            version: sent.version.saturating_add(1),
            created: old.created,
            updated: env.now,
            annotations: sent.annotations.clone(),
            labels: sent.labels.clone(),
        })
    }

    /// Record keeping on the wire.
    pub fn response(&self, id: &str, meta: &Meta) -> v1::Meta {
        v1::Meta {
            id: id.to_owned(),
            kind: self.kind.to_owned(),
            apiversion: API_VERSION.to_owned(),
            version: meta.version,
            created_time: Some(meta.created.into()),
            updated_time: Some(meta.updated.into()),
            annotations: meta.annotations.clone(),
            labels: meta.labels.clone(),
        }
    }
}

/// Record keeping of a new record. Version and times of the request do not count.
pub(crate) fn created(env: &Env, sent: &v1::Meta) -> Meta {
    Meta {
        version: 0,
        created: env.now,
        updated: env.now,
        annotations: sent.annotations.clone(),
        labels: sent.labels.clone(),
    }
}

/// Quotas as they are stored: what is used follows from the documents.
pub(crate) fn stored_quotas(quotas: Option<&v1::QuotaSet>) -> v1::QuotaSet {
    let limit = |quota: &Option<v1::Quota>| {
        let quota = quota.as_ref()?.quota?;
        Some(v1::Quota { used: None, quota: Some(quota) })
    };
    quotas.map_or_else(v1::QuotaSet::default, |quotas| v1::QuotaSet {
        cluster: limit(&quotas.cluster),
        machine: limit(&quotas.machine),
        ip: limit(&quotas.ip),
        project: limit(&quotas.project),
    })
}

/// Quotas on the wire, left out when there are none.
pub(crate) fn quotas_response(quotas: &v1::QuotaSet) -> Option<v1::QuotaSet> {
    (*quotas != v1::QuotaSet::default()).then(|| quotas.clone())
}
