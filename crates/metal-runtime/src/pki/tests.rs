//! Handshakes over memory: the right peers meet, all others do not.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use uuid::Uuid;

use super::*;
use crate::clock::Clock;
use crate::secret::Secret;
use crate::tls::{self, ClientAuth, KeyPair};

const YEAR: SignedDuration = SignedDuration::from_hours(24 * 365);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn authority() -> Authority {
    Authority::generate("test", YEAR, start()).unwrap()
}

fn machine() -> Identity {
    Identity::Machine { partition: "fra".to_owned(), machine: Uuid::from_u128(7), boot: "b1".to_owned() }
}

fn join(authority: &Authority, identity: &Identity) -> KeyPair {
    let request = request().unwrap();
    let signed = authority.sign(&request.csr_pem, identity, HOUR, start()).unwrap();
    KeyPair { certificate_pem: signed.certificate_pem, key_pem: request.key_pem }
}

/// What the server learns about the client, or why they did not meet.
async fn meet(
    server_ca: &Authority,
    auth: &ClientAuth,
    trusted: &str,
    client: Option<&KeyPair>,
    clock: &Clock,
) -> Result<Option<Identity>, String> {
    let name = "api.example.org";
    let (own, _) =
        server_ca.issue(&Identity::Server(name.to_owned()), &[name, "127.0.0.1"], YEAR, start()).unwrap();
    let server = tls::server_config(&own, auth, clock, &["h2"]).unwrap();
    let client = tls::client_config(trusted, client, clock, &["h2"]).unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let accept = TlsAcceptor::from(Arc::new(server)).accept(far);
    let connect = TlsConnector::from(Arc::new(client)).connect(ServerName::try_from(name).unwrap(), near);
    let (accepted, connected) = tokio::join!(accept, connect);
    connected.map_err(|error| error.to_string())?;
    let accepted = accepted.map_err(|error| error.to_string())?;
    let (_, session) = accepted.get_ref();
    Ok(session.peer_certificates().map(|chain| peer_identity(&chain[0]).unwrap()))
}

#[tokio::test]
async fn a_joined_machine_is_known_by_its_identity() {
    let ca = authority();
    let auth = ClientAuth::Required(ca.certificate_pem().to_owned());
    let client = join(&ca, &machine());
    let clock = Clock::manual(start());
    let seen = meet(&ca, &auth, ca.certificate_pem(), Some(&client), &clock).await.unwrap();
    assert_eq!(seen, Some(machine()));
}

#[tokio::test]
async fn a_client_without_certificate_is_accepted_only_where_optional() {
    let ca = authority();
    let clock = Clock::manual(start());
    let optional = ClientAuth::Optional(ca.certificate_pem().to_owned());
    assert_eq!(meet(&ca, &optional, ca.certificate_pem(), None, &clock).await, Ok(None));
    let required = ClientAuth::Required(ca.certificate_pem().to_owned());
    assert!(meet(&ca, &required, ca.certificate_pem(), None, &clock).await.is_err());
}

#[tokio::test]
async fn certificates_of_another_authority_are_refused_on_both_sides() {
    let (ca, other) = (authority(), authority());
    let clock = Clock::manual(start());
    let optional = ClientAuth::Optional(ca.certificate_pem().to_owned());
    let stranger = join(&other, &machine());
    assert!(meet(&ca, &optional, ca.certificate_pem(), Some(&stranger), &clock).await.is_err());
    assert!(meet(&ca, &optional, other.certificate_pem(), None, &clock).await.is_err());
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let ca = authority();
    let clock = Clock::manual(start());
    let auth = ClientAuth::Required(ca.certificate_pem().to_owned());
    let client = join(&ca, &machine());
    clock.advance(HOUR + SignedDuration::from_secs(1));
    assert!(meet(&ca, &auth, ca.certificate_pem(), Some(&client), &clock).await.is_err());
}

#[tokio::test]
async fn an_agents_certificate_cannot_serve() {
    let ca = authority();
    let clock = Clock::manual(start());
    let (own, _) = ca.issue(&machine(), &["api.example.org"], HOUR, start()).unwrap();
    let server = tls::server_config(&own, &ClientAuth::None, &clock, &[]).unwrap();
    let client = tls::client_config(ca.certificate_pem(), None, &clock, &[]).unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let accept = TlsAcceptor::from(Arc::new(server)).accept(far);
    let name = ServerName::try_from("api.example.org").unwrap();
    let (_, connected) = tokio::join!(accept, TlsConnector::from(Arc::new(client)).connect(name, near));
    assert!(connected.is_err());
}

#[test]
fn an_authority_survives_writing_and_reading() {
    let ca = authority();
    let again = Authority::from_pem(ca.certificate_pem(), ca.key_pem()).unwrap();
    assert_eq!(again.expires(), ca.expires());
    let signed = again.sign(&request().unwrap().csr_pem, &machine(), HOUR, start()).unwrap();
    assert_eq!(signed.expires, start() + HOUR);
    assert_eq!(expiry(&signed.certificate_pem), Ok(signed.expires));
    assert!(expiry("junk").is_err());
    let der = &tls::parse_certificates(&signed.certificate_pem).unwrap()[0];
    assert_eq!(peer_identity(der), Ok(machine()));
}

#[test]
fn nothing_outlives_the_authority() {
    let ca = authority();
    let late = ca.expires() - HOUR;
    let signed = ca.sign(&request().unwrap().csr_pem, &machine(), YEAR, late).unwrap();
    assert_eq!(signed.expires, ca.expires());
    let after = ca.sign(&request().unwrap().csr_pem, &machine(), YEAR, ca.expires());
    assert!(matches!(after, Err(PkiError::Expired(_))));
}

#[test]
fn garbage_is_refused() {
    let (ca, other) = (authority(), authority());
    assert!(ca.sign("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", &machine(), HOUR, start()).is_err());
    assert!(ca.sign("", &machine(), HOUR, start()).is_err());
    assert!(Authority::from_pem("junk", ca.key_pem()).is_err());
    assert!(Authority::from_pem(ca.certificate_pem(), &Secret::from("junk")).is_err());
    assert!(Authority::from_pem(ca.certificate_pem(), other.key_pem()).is_err());
    let (leaf, _) = ca.issue(&machine(), &[], HOUR, start()).unwrap();
    assert!(Authority::from_pem(&leaf.certificate_pem, &leaf.key_pem).is_err());
    assert_eq!(peer_identity(b"junk"), Err(IdentityError::NotACertificate));
    let der = &tls::parse_certificates(ca.certificate_pem()).unwrap()[0];
    assert_eq!(peer_identity(der), Err(IdentityError::Count(0)));
}

#[test]
fn a_tampered_request_is_refused() {
    let ca = authority();
    let csr = request().unwrap().csr_pem;
    let other = request().unwrap().csr_pem;
    // Body of one, tail (which holds the signature) of another.
    let (lines, others): (Vec<_>, Vec<_>) = (csr.lines().collect(), other.lines().collect());
    let middle = lines.len() - 2;
    let mixed = [&lines[..middle], &others[middle..]].concat().join("\n");
    assert!(ca.sign(&mixed, &machine(), HOUR, start()).is_err());
}

#[test]
fn identities_round_trip_and_cannot_be_forged_by_ids() {
    let sly = "a/b%2F c".to_owned();
    for identity in [
        Identity::Server("api.example.org".to_owned()),
        Identity::Partition(sly.clone()),
        Identity::Switch { partition: "fra".to_owned(), id: sly },
        machine(),
    ] {
        assert_eq!(identity.to_string().parse(), Ok(identity));
    }
    assert_eq!(machine().to_string(), "metal://machine/fra/00000000-0000-0000-0000-000000000007/b1");
    for bad in [
        "",
        "metal://",
        "metal://server/",
        "metal://switch/a",
        "http://server/a",
        "metal://server/%zz",
        "metal://machine/a/b/c",
        "metal://partition/a/b",
    ] {
        assert!(bad.parse::<Identity>().is_err(), "{bad}");
    }
}

#[test]
fn secrets_do_not_print() {
    let ca = authority();
    let (pair, _) = ca.issue(&machine(), &[], HOUR, start()).unwrap();
    assert!(!format!("{ca:?} {pair:?}").contains("PRIVATE"));
}
