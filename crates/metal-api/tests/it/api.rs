//! A control plane to test with, and a client that signs like the real ones.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use jiff::Timestamp;
use metal_api::authn::hmac;
use metal_api::rest::Rest;
use metal_api::{App, Builder, Config};
use metal_model::event_log::ProvisioningEvent;
use metal_model::v1;
use metal_plan::event;
use metal_plan::registration::{Inventory, register, set_waiting};
use metal_plan::switch::{Neighbor, Nic};
use metal_runtime::Clock;
use serde_json::{Value, json};

/// When tests begin.
pub const START: &str = "2026-01-02T03:04:05.678Z";

/// A control plane.
#[derive(Clone)]
pub struct Api {
    pub app: Arc<App>,
    pub rest: Arc<Rest>,
    pub clock: Clock,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The message of an error in the form that clients read.
    pub fn message(&self) -> String {
        let error = v1::error::parse(&self.body).unwrap_or_else(|| panic!("no error: {self:?}"));
        assert_eq!(error.statuscode, self.status, "the body tells another status");
        assert!(self.body.starts_with(b"\""), "errors are strings: {self:?}");
        error.message
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The message of an error with this status.
    #[track_caller]
    pub fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.message()
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Nobody,
    View,
    Edit,
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Nobody, Self::View, Self::Edit, Self::Admin];
}

/// A configuration whose rate limit is out of the way.
pub fn quiet(config: &mut Config) {
    config.limits.rate = 0;
}

impl Api {
    /// With defaults.
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// With a configuration of its own.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let clock = Clock::manual(START.parse().unwrap());
        let builder = Builder::default().clock(clock.clone()).configure(quiet).configure(change);
        let app = builder.build().await.unwrap();
        let rest = Rest::new(app.clone()).unwrap();
        Self { app, rest, clock }
    }

    /// Headers with the signature of a role.
    pub fn sign(&self, role: Role, method: &str) -> HeaderMap {
        signature(&self.app, self.clock.now(), role, method)
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let peer: SocketAddr = ([127, 0, 0, 1], 4711).into();
        let response = self.rest.handle(request, peer).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// Sends a body of bytes as a role.
    pub async fn raw(&self, role: Role, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = path.parse().unwrap();
        *request.headers_mut() = self.sign(role, method);
        request.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
        request.headers_mut().insert(ACCEPT, "application/json".parse().unwrap());
        self.send(request).await
    }

    /// Sends JSON as a role.
    pub async fn call(&self, role: Role, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body).unwrap() };
        self.raw(role, method, path, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Role::Admin, "GET", path, Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Role::Admin, "POST", path, body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Role::Admin, "PUT", path, body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Role::Admin, "DELETE", path, Value::Null).await
    }

    /// Revision of the store: it must not move when nothing is written.
    pub fn revision(&self) -> u64 {
        self.app.store.snapshot().revision
    }
}

/// Headers with the signature of a role.
pub fn signature(app: &App, now: Timestamp, role: Role, method: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let keys = &app.config.hmac;
    let (kind, key) = match role {
        Role::Nobody => return headers,
        Role::View => ("Metal-View", &keys.view),
        Role::Edit => ("Metal-Edit", &keys.edit),
        Role::Admin => ("Metal-Admin", &keys.admin),
    };
    let salt = "abcdefghijklmnopqrstuvwx";
    let signed = hmac::sign(key.key.expose(), now, method, salt);
    headers.insert(AUTHORIZATION, format!("{kind} {signed}").parse().unwrap());
    headers.insert(hmac::DATE, now.to_string().parse().unwrap());
    headers.insert(hmac::SALT, salt.parse().unwrap());
    headers
}

/// A small data centre: what machines need to exist and to be allocated.
impl Api {
    /// Partition `fra`, size `c1`, image `ubuntu-24.4.1`, a layout, a project and a private network of its own.
    pub async fn furnish(&self) {
        let boot = json!({"imageurl": "http://i", "kernelurl": "http://k", "commandline": "quiet"});
        self.put("/v1/partition", json!({"id": "fra", "bootconfig": boot})).await.expect(201);
        let constraints = json!([
            {"type": "cores", "min": 8, "max": 8},
            {"type": "memory", "min": 1, "max": 1_u64 << 40},
            {"type": "storage", "min": 1, "max": 1_u64 << 50},
        ]);
        self.put("/v1/size", json!({"id": "c1", "constraints": constraints})).await.expect(201);
        for (id, feature) in [("ubuntu-24.4.1", "machine"), ("firewall-3.0.1", "firewall")] {
            let image = json!({"id": id, "url": "http://i", "features": [feature]});
            self.put("/v1/image", image).await.expect(201);
        }
        let layout = json!({
            "id": "plain",
            "constraints": {"sizes": ["c1"], "images": {"ubuntu": "*", "firewall": "*"}},
            "disks": [{"device": "/dev/sda", "wipeonreinstall": true, "partitions": [{"number": 1, "size": 0}]}],
            "filesystems": [{"path": "/", "device": "/dev/sda1", "format": "ext4"}],
        });
        self.put("/v1/filesystemlayout", layout).await.expect(201);
        let project = json!({"meta": {"id": "p1"}, "name": "one", "tenant_id": "metal-stack"});
        self.put("/v1/project", project).await.expect(201);
        for id in ["leaf01", "leaf02"] {
            let nics: Vec<Value> = (0..8)
                .map(|n| json!({"mac": format!("{id}-{n}"), "name": format!("Ethernet{n}"), "identifier": format!("Ethernet{n}")}))
                .collect();
            let switch = json!({
                "id": id, "name": id, "rack_id": "r1", "partition_id": "fra", "nics": nics,
                "os": {"vendor": "SONiC"},
            });
            self.post("/v1/switch/register", switch).await.expect(201);
        }
    }

    /// A super network in `fra`, the internet and an underlay.
    pub async fn networks(&self) {
        for network in [
            json!({"id": "super", "partitionid": "fra", "privatesuper": true, "prefixes": ["10.0.0.0/16"],
                "destinationprefixes": [], "defaultchildprefixlength": {"IPv4": 24}}),
            json!({"id": "internet", "prefixes": ["192.0.2.0/24"], "destinationprefixes": ["0.0.0.0/0"],
                "vrf": 104_009, "nat": true}),
            json!({"id": "underlay", "partitionid": "fra", "underlay": true, "prefixes": ["10.255.0.0/24"],
                "destinationprefixes": []}),
        ] {
            self.put("/v1/network", network).await.expect(201);
        }
    }

    /// A private network of project `p1`.
    pub async fn private_network(&self) -> String {
        let wish = json!({"name": "mine", "projectid": "p1", "partitionid": "fra"});
        let network = self.call(Role::Edit, "POST", "/v1/network/allocate", wish).await.expect(201);
        network["id"].as_str().unwrap().to_owned()
    }

    /// A registered machine on port `port` of both leaves, waiting to be allocated.
    pub async fn machine(&self, id: &str, port: u32) {
        let neighbor = |leaf: &str| Neighbor {
            hostname: leaf.to_owned(),
            mac: format!("{leaf}-{port}"),
            name: format!("Ethernet{port}"),
            identifier: format!("Ethernet{port}"),
        };
        let nic = |name: &str, leaf: &str| Nic {
            mac: format!("{id}-{name}"),
            name: name.to_owned(),
            identifier: format!("{id}-{name}"),
            neighbors: vec![neighbor(leaf)],
        };
        let cpu = v1::MetalCpu { cores: 8, threads: 16, ..v1::MetalCpu::default() };
        let disk = v1::MachineBlockDevice { name: "/dev/sda".into(), size: 1 << 39 };
        let hardware = v1::MachineHardware {
            memory: 1 << 35,
            cpus: vec![cpu],
            disks: vec![disk],
            ..v1::MachineHardware::default()
        };
        let inventory = Inventory {
            machine: id.to_owned(),
            partition: "fra".to_owned(),
            hardware: Some(hardware),
            nics: vec![nic("lan0", "leaf01"), nic("lan1", "leaf02")],
            bios: Some(v1::MachineBios::default()),
            ..Inventory::default()
        };
        let id = id.to_owned();
        let decide = move |tx: &mut metal_plan::Tx, env: &mut metal_plan::Env| {
            register(tx, env, &inventory)?;
            event::process(tx, env, &id, ProvisioningEvent::Waiting, "");
            set_waiting(tx, &id, true)
        };
        self.app.transact("test machine", &self.app.system_caller(), decide).await.unwrap();
    }
}
