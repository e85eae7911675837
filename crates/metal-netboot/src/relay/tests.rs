//! The relay's rules one by one, and anything at all.

use proptest::prelude::*;

use super::*;

fn settings() -> RelaySettings {
    RelaySettings {
        address: Ipv4Addr::new(10, 255, 255, 2),
        circuit_id: "vlan4000".to_owned(),
        remote_id: "leaf01".to_owned(),
        most_hops: 4,
    }
}

/// A message with the fields given and these options.
fn packet(operation: u8, hops: u8, ciaddr: [u8; 4], giaddr: [u8; 4], options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    bytes[..4].copy_from_slice(&[operation, 1, 6, hops]);
    bytes[12..16].copy_from_slice(&ciaddr);
    bytes[24..28].copy_from_slice(&giaddr);
    bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
    bytes.extend_from_slice(options);
    bytes
}

const NONE: [u8; 4] = [0; 4];
const US: [u8; 4] = [10, 255, 255, 2];
const DISCOVER: &[u8] = &[53, 1, 1, 0, 0, 60, 3, b'P', b'X', b'E', 255];

fn refusal<T: std::fmt::Debug>(decision: Decision<T>) -> Refusal {
    match decision {
        Decision::Drop(refusal) => refusal,
        Decision::Forward(it) => panic!("passed on: {it:?}"),
    }
}

#[test]
fn a_request_gets_our_address_a_hop_and_our_information() {
    let Decision::Forward(bytes) = to_server(&packet(1, 0, NONE, NONE, DISCOVER), &settings()) else {
        panic!("dropped")
    };
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.hops(), message.relay_address()), (1, US.into()));
    assert_eq!(message.relay_information(), Some(&b"\x01\x08vlan4000\x02\x06leaf01"[..]));
    assert_eq!(message.hardware_address(), [2, 0, 0, 0, 0, 1]);
    let options = b"\x35\x01\x01\x3c\x03PXE\x52\x12\x01\x08vlan4000\x02\x06leaf01\xff";
    assert_eq!(&bytes[240..240 + options.len()], options, "the others stay as they were");
    assert!(bytes.len() >= 300);
}

#[test]
fn requests_that_no_client_may_send_are_dropped() {
    let to = |packet: &[u8]| refusal(to_server(packet, &settings()));
    assert_eq!(to(&packet(2, 0, NONE, NONE, DISCOVER)), Refusal::WrongSide);
    assert_eq!(to(&packet(1, 4, NONE, NONE, DISCOVER)), Refusal::TooManyHops);
    assert_eq!(to(&packet(1, 0, NONE, US, DISCOVER)), Refusal::Forged);
    assert_eq!(to(&packet(1, 0, NONE, NONE, &[53, 1, 1, 82, 2, 1, 0, 255])), Refusal::Forged);
    assert_eq!(to(&packet(1, 0, NONE, NONE, &[53, 9, 1])), Refusal::Malformed(MessageError::Option(53)));
    assert_eq!(to(&packet(1, 0, NONE, NONE, &[53])), Refusal::Malformed(MessageError::Option(53)));
    assert_eq!(to(&packet(3, 0, NONE, NONE, DISCOVER)), Refusal::Malformed(MessageError::Direction));
    assert_eq!(to(&[1; 239]), Refusal::Malformed(MessageError::Short));
    assert_eq!(to(&[1; 300]), Refusal::Malformed(MessageError::Magic));
}

#[test]
fn a_reply_loses_our_information_and_goes_to_who_can_hear_it() {
    let ours = [&[53, 1, 5, 82, 18][..], b"\x01\x08vlan4000\x02\x06leaf01\xff"].concat();
    let forward = |ciaddr, options: &[u8]| match to_client(&packet(2, 1, ciaddr, US, options), &settings()) {
        Decision::Forward((bytes, destination)) => {
            assert_eq!(Message::parse(&bytes).unwrap().relay_information(), None);
            destination
        }
        Decision::Drop(refusal) => panic!("{refusal}"),
    };
    assert_eq!(forward(NONE, &ours), Destination::Broadcast);
    assert_eq!(forward([10, 0, 0, 9], &ours), Destination::Client([10, 0, 0, 9].into()));
    assert_eq!(forward([10, 0, 0, 9], &[53, 1, 6, 255]), Destination::Broadcast);
    assert_eq!(forward([224, 0, 0, 1], &ours), Destination::Broadcast);
}

#[test]
fn replies_that_are_not_for_us_are_dropped() {
    let to = |packet: &[u8]| refusal(to_client(packet, &settings()));
    assert_eq!(to(&packet(1, 0, NONE, US, DISCOVER)), Refusal::WrongSide);
    assert_eq!(to(&packet(2, 0, NONE, NONE, DISCOVER)), Refusal::NotOurs);
    assert_eq!(to(&packet(2, 0, NONE, [10, 255, 255, 3], DISCOVER)), Refusal::NotOurs);
    assert_eq!(to(&packet(2, 0, NONE, US, &[53, 1, 2, 82, 3, 1, 1, b'x', 255])), Refusal::NotOurs);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        let _ = (to_server(&bytes, &settings()), to_client(&bytes, &settings()));
    }

    #[test]
    fn no_options_make_it_panic(operation in 1_u8..3, options in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = packet(operation, 0, NONE, if operation == 2 { US } else { NONE }, &options);
        if let Decision::Forward(bytes) = to_server(&bytes, &settings()) {
            prop_assert!(Message::parse(&bytes).unwrap().relay_information().is_some());
        }
        if let Decision::Forward((bytes, _)) = to_client(&bytes, &settings()) {
            prop_assert!(Message::parse(&bytes).unwrap().relay_information().is_none());
        }
    }

    #[test]
    fn what_is_read_is_written(options in prop::collection::vec((1_u8..255, prop::collection::vec(any::<u8>(), 0..50)), 0..10)) {
        let mut bytes = Vec::new();
        for (code, value) in &options {
            bytes.extend([*code, u8::try_from(value.len()).unwrap()]);
            bytes.extend_from_slice(value);
        }
        bytes.push(255);
        let message = Message::parse(&packet(1, 0, NONE, NONE, &bytes)).unwrap();
        prop_assert_eq!(Message::parse(&message.encode()), Ok(message));
    }
}
