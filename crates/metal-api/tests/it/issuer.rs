//! Bearer tokens against an issuer that speaks the real protocol: discovery, keys, rotation, and everything a forger
//! may try.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::Full;
use jiff::SignedDuration;
use metal_api::Config;
use metal_api::config::Dex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::api::{Answer, Api, Role};

/// An issuer of tokens: what it serves can be changed while it runs.
struct Issuer {
    url: String,
    served: Arc<Mutex<Served>>,
}

#[derive(Default)]
struct Served {
    keys: Vec<Value>,
    is_down: bool,
    asked: usize,
}

struct Key {
    name: &'static str,
    pair: KeyPair,
}

impl Key {
    fn new(name: &'static str) -> Self {
        Self { name, pair: KeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    fn public(&self) -> Value {
        let parts = PublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "RSA", "use": "sig", "kid": self.name, "alg": "RS256", "n": encode(&parts.n), "e": encode(&parts.e)})
    }

    fn sign(&self, claims: &Value) -> String {
        let head = unsigned(&json!({"alg": "RS256", "kid": self.name}), claims);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), head.as_bytes(), &mut signature).unwrap();
        format!("{head}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

impl Issuer {
    async fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::new(Mutex::new(Served::default()));
        let issuer = Self { url: url.clone(), served: served.clone() };
        issuer.serve(keys);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let head = read_head(&mut stream).await;
                let body = {
                    let mut served = served.lock().unwrap();
                    served.asked += 1;
                    if served.is_down {
                        continue;
                    }
                    if head.starts_with("GET /.well-known/openid-configuration ") {
                        json!({"issuer": url, "jwks_uri": format!("{url}/keys")})
                    } else {
                        json!({"keys": served.keys})
                    }
                };
                let body = body.to_string();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        issuer
    }

    fn serve(&self, keys: &[&Key]) {
        let foreign = json!({"kty": "EC", "crv": "P-256", "kid": "ec", "x": "AA", "y": "AA"});
        let broken = json!({"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"});
        self.served.lock().unwrap().keys = keys.iter().map(|k| k.public()).chain([foreign, broken]).collect();
    }

    fn set_down(&self, is_down: bool) {
        self.served.lock().unwrap().is_down = is_down;
    }

    fn asked(&self) -> usize {
        self.served.lock().unwrap().asked
    }
}

/// The head of a request, or as much of it as comes.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap_or(0) > 0 {}
    String::from_utf8_lossy(&head).into_owned()
}

/// A control plane whose provider's tenant logs in at this issuer.
async fn api(issuer: &Issuer, change: impl FnOnce(&mut Config)) -> Api {
    let api = Api::with(change).await;
    let mut tenant = api.get("/v1/tenant/metal-stack").await.expect(200);
    tenant["iam_config"] = json!({
        "issuer_config": {"url": issuer.url, "client_id": "metal"},
        "idm_config": {"idm_type": "LDAP"},
    });
    api.post("/v1/tenant", tenant).await.expect(200);
    api
}

fn claims(api: &Api, issuer: &Issuer) -> Value {
    let now = api.clock.now().as_second();
    json!({
        "iss": issuer.url, "aud": ["other", "metal"], "exp": now + 600, "nbf": now, "sub": "s",
        "name": "Ann Other", "preferred_username": "ann", "email": "ann@example.org",
        "roles": ["metal-stack_maas-all-all-edit", "other_maas-all-all-admin", "nonsense"],
    })
}

async fn ask(api: &Api, token: &str, method: &str, path: &str) -> Answer {
    let mut request = Request::new(Full::new(bytes::Bytes::new()));
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    api.send(request).await
}

async fn me(api: &Api, token: &str) -> Answer {
    ask(api, token, "GET", "/v1/user/me").await
}

#[tokio::test]
async fn a_token_of_the_tenants_issuer_is_a_user() {
    let key = Key::new("k1");
    let issuer = Issuer::start(&[&key]).await;
    let api = api(&issuer, |_| ()).await;
    let token = key.sign(&claims(&api, &issuer));
    let me = me(&api, &token).await.expect(200);
    assert_eq!(me["Name"], "ann");
    assert_eq!(me["EMail"], "ann@example.org");
    assert_eq!(me["Tenant"], "metal-stack");
    assert_eq!(me["Groups"], json!(["maas-all-all-edit"]));
    ask(&api, &token, "DELETE", "/v1/size/x").await.refused(403);
    ask(&api, &token, "DELETE", "/v1/ip/free/10.0.0.1").await.refused(404);
    assert_eq!(issuer.asked(), 2, "discovery and keys are asked for once");
}

#[tokio::test]
async fn forged_and_stale_tokens_are_refused() {
    let (key, other) = (Key::new("k1"), Key::new("k1"));
    let issuer = Issuer::start(&[&key]).await;
    let api = api(&issuer, |_| ()).await;
    let good = claims(&api, &issuer);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        key.sign(&claims)
    };
    let now = api.clock.now().as_second();
    let valid = key.sign(&good);
    me(&api, &valid).await.expect(200);
    let cut = valid.rsplit_once('.').unwrap().0;
    // The public key as secret of a symmetric signature, which a careless verifier accepts.
    let public = key.public();
    let head = unsigned(&json!({"alg": "HS256", "kid": "k1"}), &good);
    let secret = hmac::Key::new(hmac::HMAC_SHA256, public["n"].as_str().unwrap().as_bytes());
    let confused = format!("{head}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&secret, head.as_bytes())));
    let none = format!("{}.", unsigned(&json!({"alg": "none", "kid": "k1"}), &good));
    let weak = valid.replacen(
        valid.split('.').next().unwrap(),
        &URL_SAFE_NO_PAD.encode(r#"{"alg":"PS256","kid":"k1"}"#),
        1,
    );
    for (what, token) in [
        ("another's key", other.sign(&good)),
        ("wrong audience", with("aud", json!("somebody"))),
        ("wrong issuer", with("iss", json!("http://127.0.0.1:1"))),
        ("expired", with("exp", json!(now))),
        ("without end", with("exp", Value::Null)),
        ("not yet valid", with("nbf", json!(now + 120))),
        ("without signature", format!("{cut}.")),
        ("cut", cut.to_owned()),
        ("algorithm none", none),
        ("algorithm confusion", confused),
        ("another algorithm", weak),
        ("empty", String::new()),
        ("long", "a".repeat(20_000)),
    ] {
        let answer = me(&api, &token).await;
        assert_eq!(answer.status, 403, "{what}: {answer:?}");
        answer.message();
    }
    // An altered claim under the old signature.
    let parts: Vec<&str> = valid.split('.').collect();
    let mut altered = good.clone();
    altered["roles"] = json!(["metal-stack_maas-all-all-admin"]);
    let altered = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(altered.to_string()), parts[2]);
    me(&api, &altered).await.refused(403);
}

#[tokio::test]
async fn rotated_keys_are_fetched_and_strangers_cannot_make_us_ask() {
    let (old, new) = (Key::new("k1"), Key::new("k2"));
    let issuer = Issuer::start(&[&old]).await;
    let api = api(&issuer, |_| ()).await;
    me(&api, &old.sign(&claims(&api, &issuer))).await.expect(200);
    issuer.serve(&[&new]);
    me(&api, &new.sign(&claims(&api, &issuer))).await.expect(200);
    me(&api, &old.sign(&claims(&api, &issuer))).await.refused(403);
    let asked = issuer.asked();
    me(&api, &Key::new("k3").sign(&claims(&api, &issuer))).await.refused(403);
    assert_eq!(issuer.asked(), asked, "a token with an unknown key made the server ask again at once");
    api.clock.advance(SignedDuration::from_secs(11));
    me(&api, &old.sign(&claims(&api, &issuer))).await.refused(403);
    assert!(issuer.asked() > asked, "after a while it may");
}

#[tokio::test]
async fn an_issuer_that_is_away_keeps_nobody_out_who_was_known() {
    let key = Key::new("k1");
    let issuer = Issuer::start(&[&key]).await;
    let api = api(&issuer, |_| ()).await;
    issuer.set_down(true);
    let answer = me(&api, &key.sign(&claims(&api, &issuer))).await.refused(403);
    assert!(answer.contains("cannot be asked"), "{answer}");
    // Signed requests do not need the issuer.
    api.get("/v1/machine").await.expect(200);
    issuer.set_down(false);
    api.clock.advance(SignedDuration::from_secs(10));
    me(&api, &key.sign(&claims(&api, &issuer))).await.expect(200);
    // Old keys serve while the issuer is away again.
    issuer.set_down(true);
    api.clock.advance(SignedDuration::from_hours(1));
    me(&api, &key.sign(&claims(&api, &issuer))).await.expect(200);
}

#[tokio::test]
async fn tokens_of_dex_tell_their_tenant() {
    let key = Key::new("k1");
    let issuer = Issuer::start(&[&key]).await;
    let dex = Dex { address: issuer.url.clone(), client_id: "cli".to_owned() };
    let api = Api::with(|config| config.dex = Some(dex)).await;
    let token = |connector: &str, groups: Value| {
        let mut claims = claims(&api, &issuer);
        claims["aud"] = json!("cli");
        claims["groups"] = groups;
        claims["federated_claims"] = json!({"connector_id": connector});
        key.sign(&claims)
    };
    let user =
        me(&api, &token("metal-stack_ldap_one", json!(["metal-stack_maas-all-all-admin"]))).await.expect(200);
    assert_eq!((&user["Tenant"], &user["Name"]), (&"metal-stack".into(), &"Ann Other".into()));
    assert_eq!(user["Groups"], json!(["maas-all-all-admin"]));
    let other = me(&api, &token("acme_ldap", json!(["acme_maas-all-all-admin"]))).await;
    assert_eq!(other.refused(403), "tenant acme not allowed");
    for connector in ["", "metal-stack", "metal-stack_nis"] {
        me(&api, &token(connector, json!([]))).await.refused(403);
    }
    // Without a role a member of the tenant still reads what is open to members.
    ask(&api, &token("metal-stack_ldap", json!([])), "GET", "/v1/size").await.expect(200);
    ask(&api, &token("metal-stack_ldap", json!([])), "GET", "/v1/machine").await.refused(403);
    api.call(Role::View, "GET", "/v1/machine", Value::Null).await.expect(200);
}
