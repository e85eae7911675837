//! The codec against the standard's own words, at random and against garbage.

use proptest::prelude::*;

use super::*;

/// What a switch says, byte by byte.
const CAPTURED: &[u8] = b"\x02\x07\x04\x02\x00\x00\x00\x00\x0b\x04\x05\x05swp1\x06\x02\x00\x28\x08\x04swp1\
    \x0a\x06leaf01\x0c\x0bmetal-core \x0e\x04\x00\x14\x00\x10\x10\x0c\x05\x01\x0a\x00\x00\x0b\x02\x00\x00\x00\x01\x00\
    \xfe\x06\x00\x80\xc2\x01\x00\x01\x00\x00padding";

#[test]
fn a_captured_frame_is_read() {
    let frame = Frame::parse(CAPTURED).unwrap();
    let expected = Frame {
        port_description: Some("swp1".to_owned()),
        system_name: Some("leaf01".to_owned()),
        system_description: Some("metal-core ".to_owned()),
        capabilities: Some(Capabilities { available: 20, enabled: 16 }),
        management_address: Some("10.0.0.11".parse().unwrap()),
        ..Frame::new(ChassisId::Mac([2, 0, 0, 0, 0, 11]), PortId::InterfaceName("swp1".to_owned()), 40)
    };
    assert_eq!(frame, expected);
    assert_eq!(frame.chassis_id.to_string(), "02:00:00:00:00:0b");
    assert_eq!(frame.port_id.to_string(), "swp1");
}

#[test]
fn what_is_malformed_is_refused() {
    let good = Frame::new(ChassisId::Local("a".to_owned()), PortId::Mac([1; 6]), 1).encode();
    assert!(Frame::parse(&good).is_ok());
    assert!(Frame::parse(&good[..good.len() - 2]).is_ok(), "the end may be missing");
    assert_eq!(Frame::parse(&good[..9]), Err(FrameError::CutOff(2)));
    assert_eq!(Frame::parse(&good[4..]), Err(FrameError::Order));
    assert_eq!(Frame::parse(&[]), Err(FrameError::Order));
    assert_eq!(Frame::parse(b"\x02\x01\x07"), Err(FrameError::Length(1)));
    assert_eq!(Frame::parse(b"\x02\x06\x04\x02\x00\x00\x00\x00"), Err(FrameError::Length(1)));
    let twice = [&good[..good.len() - 2], &good[..]].concat();
    assert_eq!(Frame::parse(&twice), Err(FrameError::Order));
}

#[test]
fn control_characters_and_closing_zeros_do_not_get_through() {
    let mut frame = Frame::new(ChassisId::Local("a".to_owned()), PortId::Local("b".to_owned()), 1);
    frame.system_name = Some("leaf\u{1b}[31m\n01\0".to_owned());
    assert_eq!(Frame::parse(&frame.encode()).unwrap().system_name.as_deref(), Some("leaf [31m 01"));
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let mut frame = Frame::new(ChassisId::Local("a".to_owned()), PortId::Local("b".to_owned()), 1);
    frame.system_description = Some("ä".repeat(200));
    let parsed = Frame::parse(&frame.encode()).unwrap();
    assert_eq!(parsed.system_description.unwrap(), "ä".repeat(127));
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9äß/. -]{1,60}"
}

fn frames() -> impl Strategy<Value = Frame> {
    let chassis = prop_oneof![
        any::<[u8; 6]>().prop_map(ChassisId::Mac),
        name().prop_map(ChassisId::InterfaceName),
        name().prop_map(ChassisId::Local),
        prop::collection::vec(any::<u8>(), 1..255).prop_map(|value| ChassisId::Other { subtype: 5, value }),
    ];
    let port = prop_oneof![
        any::<[u8; 6]>().prop_map(PortId::Mac),
        name().prop_map(PortId::InterfaceName),
        name().prop_map(PortId::Local),
        prop::collection::vec(any::<u8>(), 1..255).prop_map(|value| PortId::Other { subtype: 6, value }),
    ];
    let texts = (prop::option::of(name()), prop::option::of(name()), prop::option::of(name()));
    let capabilities = prop::option::of(
        any::<(u16, u16)>().prop_map(|(available, enabled)| Capabilities { available, enabled }),
    );
    let address = prop::option::of(any::<std::net::IpAddr>());
    (chassis, port, any::<u16>(), texts, capabilities, address).prop_map(
        |(chassis_id, port_id, ttl, texts, capabilities, management_address)| Frame {
            chassis_id,
            port_id,
            ttl,
            port_description: texts.0,
            system_name: texts.1,
            system_description: texts.2,
            capabilities,
            management_address,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(frame in frames()) {
        prop_assert_eq!(Frame::parse(&frame.encode()), Ok(frame));
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Frame::parse(&bytes);
    }

    #[test]
    fn a_damaged_frame_never_panics(frame in frames(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = frame.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(parsed) = Frame::parse(&bytes) {
            let _ = (parsed.encode(), parsed.chassis_id.to_string(), parsed.port_id.to_string());
        }
    }
}
