//! Rules of sizes: which hardware matches, which constraints are refused, which sizes overlap.

use metal_model::machine::Machine;
use metal_model::size::{Size, SizeReservation};
use metal_model::v1::{
    MachineBlockDevice, MachineHardware, MetalCpu, MetalGpu, SizeConstraint, SizeCreateRequest,
    SizeSuggestRequest, SizeUpdateRequest,
};

use super::{create, delete, matching, suggest, update};
use crate::allocation::tests::world::{SIZE, World};
use crate::{Class, Snapshot};

fn constraint(kind: &str, min: u64, max: u64, identifier: &str) -> SizeConstraint {
    SizeConstraint { kind: kind.into(), min, max, identifier: identifier.into() }
}

fn hardware(cpus: &[(&str, u32)], memory: u64, disks: &[(&str, u64)], gpus: &[&str]) -> MachineHardware {
    MachineHardware {
        memory,
        cpus: cpus
            .iter()
            .map(|(model, cores)| MetalCpu { model: (*model).into(), cores: *cores, ..MetalCpu::default() })
            .collect(),
        disks: disks
            .iter()
            .map(|(name, size)| MachineBlockDevice { name: (*name).into(), size: *size })
            .collect(),
        gpus: gpus.iter().map(|model| MetalGpu { model: (*model).into(), ..MetalGpu::default() }).collect(),
        ..MachineHardware::default()
    }
}

fn matches(constraints: &[SizeConstraint], hardware: &MachineHardware) -> bool {
    let mut tx = crate::Tx::new(&Snapshot::default());
    tx.put(Size { id: "s".into(), constraints: constraints.to_vec(), ..Size::default() });
    matching(tx.state(), hardware).is_some()
}

#[test]
fn all_constraints_hold_and_cover_everything() {
    let base = [
        constraint("cores", 8, 8, ""),
        constraint("memory", 64, 64, ""),
        constraint("storage", 0, 100, "/dev/sd*"),
    ];
    let with = |extra: &[SizeConstraint]| [&base[..], extra].concat();
    let plain = hardware(&[("Xeon", 8)], 64, &[("/dev/sda", 100)], &[]);
    let nvme = hardware(&[("Xeon", 8)], 64, &[("/dev/sda", 50), ("/dev/nvme0n1", 10)], &[]);
    let gpus = hardware(&[("Xeon", 8)], 64, &[("/dev/sda", 50)], &["AMD A", "AMD A", "NV B"]);
    let gpu = |count, identifier| constraint("gpu", count, count, identifier);
    let table = [
        ("as it is", base.to_vec(), &plain, true),
        ("no constraints", vec![], &plain, false),
        ("no memory constraint", vec![base[0].clone(), base[2].clone()], &plain, false),
        ("no storage constraint", vec![base[0].clone(), base[1].clone()], &plain, false),
        ("an uncovered disk", base.to_vec(), &nvme, false),
        ("all disks covered", with(&[constraint("storage", 10, 10, "/dev/nvme*")]), &nvme, true),
        (
            "a star does not cross slashes",
            vec![base[0].clone(), base[1].clone(), constraint("storage", 0, 100, "*")],
            &plain,
            false,
        ),
        ("uncovered gpus", base.to_vec(), &gpus, false),
        ("one gpu model uncovered", with(&[gpu(2, "AMD*")]), &gpus, false),
        ("all gpus", with(&[gpu(2, "AMD*"), gpu(1, "NV*")]), &gpus, true),
        ("a gpu too many", with(&[gpu(1, "AMD*"), gpu(1, "NV*")]), &gpus, false),
        ("gpus wanted, none there", with(&[gpu(1, "NV*")]), &plain, false),
        ("no gpus wanted", with(&[gpu(0, "NV*")]), &plain, true),
        (
            "another cpu",
            vec![constraint("cores", 8, 8, "EPYC*"), base[1].clone(), base[2].clone()],
            &plain,
            false,
        ),
        ("a type nobody knows", with(&[constraint("fans", 0, 9, "")]), &plain, false),
    ];
    for (name, constraints, hardware, expected) in table {
        assert_eq!(matches(&constraints, hardware), expected, "{name}");
    }
}

#[test]
fn several_matching_sizes_are_none() {
    let world = World::new();
    let fits = crate::allocation::tests::world::hardware();
    assert_eq!(matching(&world.snapshot, &fits).unwrap(), SIZE);
    let mut tx = crate::Tx::new(&world.snapshot);
    let twin = Size { id: "twin".into(), ..Size::clone(tx.state().find::<Size>(SIZE).unwrap()) };
    tx.put(twin);
    assert_eq!(matching(tx.state(), &fits), None);
}

#[test]
fn constraints_are_checked() {
    let mut world = World::new();
    let two = |kind| vec![constraint(kind, 1, 2, ""), constraint(kind, 3, 4, "")];
    let refused = Class::Refused;
    for (id, constraints, class, word) in [
        ("", vec![], Class::Invalid, "id"),
        ("unknown", vec![], Class::Invalid, "built-in"),
        ("x", vec![constraint("cores", 2, 1, "")], refused, "less than"),
        ("x", vec![constraint("cores", 1, 1, "[")], refused, "glob"),
        ("x", vec![constraint("gpu", 1, 1, "")], refused, "identifier"),
        ("x", vec![constraint("memory", 1, 1, "a")], refused, "identifier"),
        ("x", vec![constraint("memory", 1, u64::MAX, "")], refused, "clients"),
        ("x", two("memory"), refused, "more than one"),
        ("x", two("cores"), refused, "more than one"),
    ] {
        let req = SizeCreateRequest { id: id.into(), constraints, ..SizeCreateRequest::default() };
        let error = world.attempt(|tx, env| create(tx, env, &req)).unwrap_err();
        assert_eq!(error.class, class, "{error}");
        assert!(error.message.contains(word), "{error}");
    }
    let req = SizeCreateRequest { id: SIZE.into(), ..SizeCreateRequest::default() };
    assert_eq!(world.attempt(|tx, env| create(tx, env, &req)).unwrap_err().class, Class::Conflict);
}

#[test]
fn sizes_may_not_overlap() {
    let gib = 1_u64 << 30;
    let mut world = World::new();
    let mut attempt = |id: &str, constraints: Vec<SizeConstraint>| {
        let req = SizeCreateRequest { id: id.into(), constraints, ..SizeCreateRequest::default() };
        world.attempt(|tx, env| create(tx, env, &req)).map(|size| size.id.to_string())
    };
    let like = |cores: u64, storage: &str| {
        vec![
            constraint("cores", cores, cores, ""),
            constraint("memory", 70 * gib, 80 * gib, ""),
            constraint("storage", 0, gib, storage),
        ]
    };
    let error = attempt("b", like(8, "/dev/sd*")).unwrap_err();
    assert_eq!(error.class, Class::Invalid);
    assert!(error.message.contains("size \"b\" overlaps with \"c1-medium\""), "{error}");
    attempt("other-disks", like(8, "/dev/nvme*")).unwrap();
    attempt("other-cores", like(16, "/dev/sd*")).unwrap();
    attempt("fewer-types", like(8, "/dev/sd*")[..2].to_vec()).unwrap();
    attempt("none", vec![]).unwrap();
    attempt("none-either", vec![]).unwrap();
    let req =
        SizeUpdateRequest { id: "none".into(), constraints: Some(like(8, "/dev/sd*")), ..Default::default() };
    assert_eq!(world.attempt(|tx, env| update(tx, env, &req)).unwrap_err().class, Class::Invalid);
    let req = SizeUpdateRequest { id: SIZE.into(), name: Some("medium".into()), ..Default::default() };
    let size = world.change(|tx, env| update(tx, env, &req));
    assert_eq!((size.name.as_str(), size.constraints.len()), ("medium", 3));
}

#[test]
fn reserved_sizes_stay() {
    let mut world = World::new();
    world.change(|tx, _| {
        tx.create(SizeReservation { id: "r".into(), size: SIZE.into(), ..SizeReservation::default() })
    });
    assert_eq!(world.attempt(|tx, env| delete(tx, env, SIZE)).unwrap_err().class, Class::Refused);
    world.change(|tx, _| {
        tx.delete::<SizeReservation>("r");
        Ok(())
    });
    world.change(|tx, env| delete(tx, env, SIZE));
}

#[test]
fn what_is_suggested_matches_the_machine() {
    let machines = [
        hardware(
            &[("Xeon A", 8), ("Xeon B", 8)],
            64,
            &[("/dev/sda", 5), ("/dev/sdb", 6)],
            &["NV [x]", "AMD", "NV [x]"],
        ),
        hardware(&[], 64, &[("/dev/sda", 5), ("sdb", 6)], &[]),
        hardware(&[("Xeon", 8)], 64, &[("/dev/sda", 5)], &[]),
    ];
    for hardware in machines {
        let mut tx = crate::Tx::new(&Snapshot::default());
        tx.put(Machine { id: "m".into(), hardware: hardware.clone().into(), ..Machine::default() });
        let constraints = suggest(tx.state(), &SizeSuggestRequest { machine_id: "m".into() }).unwrap();
        let has_mixed_paths = hardware.disks.iter().any(|disk| !disk.name.starts_with('/'));
        // Names with and without a directory have nothing in common that a glob could say.
        assert_eq!(matches(&constraints, &hardware), !has_mixed_paths, "{constraints:?}");
    }
    let nobody = SizeSuggestRequest { machine_id: "x".into() };
    assert_eq!(suggest(&Snapshot::default(), &nobody).unwrap_err().class, Class::NotFound);
    let empty = SizeSuggestRequest::default();
    assert_eq!(suggest(&Snapshot::default(), &empty).unwrap_err().class, Class::Invalid);
}
