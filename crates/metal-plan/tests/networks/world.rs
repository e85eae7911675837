//! A store of the simplest kind: commits what a decision wrote, drops what it refused.

use std::sync::Arc;

use jiff::Timestamp;
use metal_model::doc::Doc;
use metal_model::document::{State, Write};
use metal_model::network::{Ip, Network};
use metal_model::partition::Partition;
use metal_model::v1;
use metal_plan::{Caller, Class, Env, Error, Snapshot, Tx, ip, network, project, tenant};

/// A snapshot that decisions change.
pub struct World {
    pub snapshot: Snapshot,
    revision: u64,
}

impl World {
    /// Two partitions, a tenant with two projects.
    pub fn new() -> Self {
        let mut world = Self { snapshot: Snapshot::default(), revision: 0 };
        world.ok(|tx, env| {
            for id in ["p1", "p2"] {
                tx.create(Partition { id: id.into(), ..Partition::default() })?;
            }
            tenant::create(tx, env, &v1::Tenant { meta: meta("t1"), ..v1::Tenant::default() })?;
            for id in ["a", "b"] {
                let req = v1::Project { meta: meta(id), tenant_id: "t1".into(), ..v1::Project::default() };
                project::create(tx, env, &req)?;
            }
            Ok(())
        });
        world
    }

    /// Commits a decision, or nothing of it.
    pub fn run<T>(&mut self, decide: impl FnOnce(&mut Tx, &mut Env) -> Result<T, Error>) -> Result<T, Error> {
        let mut tx = Tx::new(&self.snapshot);
        self.revision += 1;
        let now = Timestamp::from_second(i64::try_from(self.revision).unwrap()).unwrap();
        let mut env = Env::new(now, u128::from(self.revision) << 64, Caller::default());
        let answer = decide(&mut tx, &mut env)?;
        for (key, write) in tx.finish().writes {
            let found = self.snapshot.get(&key).map(|(revision, _)| revision);
            match write {
                Write::Create(doc) => {
                    assert_eq!(found, None, "{key}");
                    self.snapshot.put(&key, self.revision, stored(&key, &doc));
                }
                Write::Update { seen, doc } => {
                    assert_eq!(found, Some(seen), "{key}");
                    self.snapshot.put(&key, self.revision, stored(&key, &doc));
                }
                Write::Delete { seen } => {
                    assert_eq!(found, Some(seen), "{key}");
                    self.snapshot.remove(&key);
                }
            }
        }
        Ok(answer)
    }

    /// A decision that must succeed.
    pub fn ok<T>(&mut self, decide: impl FnOnce(&mut Tx, &mut Env) -> Result<T, Error>) -> T {
        self.run(decide).unwrap()
    }

    /// A decision that must be refused; class and field of the refusal.
    pub fn refused<T>(
        &mut self,
        decide: impl FnOnce(&mut Tx, &mut Env) -> Result<T, Error>,
    ) -> (Class, Option<&'static str>) {
        let Err(error) = self.run(decide) else { panic!("was not refused") };
        if let Some(field) = error.field {
            assert!(
                error.message.contains(field) || matches!(error.class, Class::NotFound | Class::Conflict),
                "{error:?}"
            );
        }
        (error.class, error.field)
    }

    /// Creates a network from JSON as clients write it.
    pub fn create(&mut self, json: serde_json::Value) -> Arc<Network> {
        self.ok(|tx, env| network::create(tx, env, &decode(json)))
    }

    /// Allocates a child network.
    pub fn child(&mut self, json: serde_json::Value) -> Arc<Network> {
        self.ok(|tx, env| network::allocate(tx, env, &decode(json)))
    }

    /// Acquires an address of a network for project `a`.
    pub fn acquire(&mut self, network: &str, specific: Option<&str>) -> Result<Arc<Ip>, Error> {
        let req = v1::IpAllocateRequest {
            networkid: network.into(),
            projectid: "a".into(),
            ..v1::IpAllocateRequest::default()
        };
        self.run(|tx, env| ip::allocate(tx, env, &req, specific))
    }

    /// The answer about a network.
    pub fn network(&self, id: &str) -> v1::NetworkResponse {
        network::response(&self.snapshot, self.snapshot.find(id).unwrap()).unwrap()
    }
}

/// What comes back from disk.
fn stored(key: &str, doc: &Doc) -> Doc {
    Doc::decode(key, &doc.encode()).unwrap()
}

/// Record keeping with an id.
pub fn meta(id: &str) -> v1::Meta {
    v1::Meta { id: id.into(), ..v1::Meta::default() }
}

/// Reads a request the way the server does.
pub fn decode<T: serde::de::DeserializeOwned + Default>(json: serde_json::Value) -> T {
    v1::json::decode_value(json).unwrap()
}
