//! etcd with TLS in both directions and password authentication, by a user that may touch its prefix only.

use std::path::Path;
use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, Identity, Permission, PermissionType, TlsOptions};
use metal_store::{EngineConfig, EtcdConfig, OpenError, Options, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_util::task::TaskTracker;

use crate::server::{Extra, Server};
use crate::target::{open, set};

/// Writes `ca.pem`, `cert.pem` and `key.pem`.
fn certificates(dir: &Path) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &ca).unwrap();
    std::fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    std::fs::write(dir.join("cert.pem"), leaf.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
}

/// Turns authentication on: `root`, and `metal` with everything below `secure/`.
async fn enable_authentication(endpoint: &str, dir: &Path) {
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    let identity = Identity::from_pem(read("cert.pem"), read("key.pem"));
    let tls = TlsOptions::new().ca_certificate(Certificate::from_pem(read("ca.pem"))).identity(identity);
    let mut client = Client::connect([endpoint], Some(ConnectOptions::new().with_tls(tls))).await.unwrap();
    client.user_add("root", "rootpw", None).await.unwrap();
    client.role_add("root").await.unwrap();
    client.user_grant_role("root", "root").await.unwrap();
    client.user_add("metal", "metalpw", None).await.unwrap();
    client.role_add("metal").await.unwrap();
    let below = Permission::new(PermissionType::Readwrite, "secure/").with_prefix();
    client.role_grant_permission("metal", below).await.unwrap();
    client.user_grant_role("metal", "metal").await.unwrap();
    client.auth_enable().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_passwords_work_and_their_absence_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let path = |name: &str| dir.path().join(name);
    let arguments = vec![
        format!("--cert-file={}", path("cert.pem").display()),
        format!("--key-file={}", path("key.pem").display()),
        format!("--trusted-ca-file={}", path("ca.pem").display()),
        "--client-cert-auth".to_owned(),
    ];
    let server = Server::start(&Extra { scheme: "https", arguments });
    enable_authentication(&server.endpoint, dir.path()).await;
    let good = EtcdConfig {
        endpoints: vec![server.endpoint.clone()],
        prefix: "secure".to_owned(),
        tls: Some(TlsFiles {
            ca: Some(path("ca.pem")),
            cert: Some(path("cert.pem")),
            key: Some(path("key.pem")),
            server_name: None,
        }),
        user: Some("metal".to_owned()),
        password: Some("metalpw".to_owned()),
    };
    let tasks = TaskTracker::new();
    let options = Options { deadline: Duration::from_secs(4), ..Options::default() };
    let (one, two) = (
        open(&EngineConfig::Etcd(good.clone()), &Options::default(), &tasks).await.unwrap(),
        open(&EngineConfig::Etcd(good.clone()), &Options::default(), &tasks).await.unwrap(),
    );
    set(&one, "a", "1").await;
    assert_eq!(two.fresh().await.unwrap().state.number("a"), 1);
    one.close().await;
    two.close().await;

    let attempt = async |change: &dyn Fn(&mut EtcdConfig)| {
        let mut config = good.clone();
        change(&mut config);
        open(&EngineConfig::Etcd(config), &options, &tasks).await.err().expect("must not open")
    };
    let wrong_password = attempt(&|c| c.password = Some("guess".to_owned())).await;
    assert!(matches!(wrong_password, OpenError::Unreachable { .. }), "{wrong_password:?}");
    let no_password = attempt(&|c| (c.user, c.password) = (None, None)).await;
    assert!(matches!(no_password, OpenError::Engine { .. }), "{no_password:?}");
    let elsewhere = attempt(&|c| c.prefix = "other".to_owned()).await;
    assert!(matches!(elsewhere, OpenError::Engine { .. }), "{elsewhere:?}");
    let no_certificate = attempt(&|c| {
        let tls = c.tls.as_mut().unwrap();
        (tls.cert, tls.key) = (None, None);
    });
    assert!(matches!(no_certificate.await, OpenError::Unreachable { .. }));
    let half = attempt(&|c| c.tls.as_mut().unwrap().key = None).await;
    assert!(matches!(half, OpenError::Config(_)), "{half:?}");
    assert!(!format!("{good:?}").contains("metalpw"), "passwords are not printed");
}
