//! The free-space structures against the simplest thing that could work: a table of booleans.

use proptest::collection::vec;
use proptest::prelude::*;

use super::block::{Block, address, number};
use super::blocks::Blocks;
use super::ranges::Ranges;
use super::*;

const SIZE: u128 = 64;

fn ranges_of(free: &[bool]) -> Ranges {
    let mut ranges = Ranges::default();
    for (number, _) in free.iter().enumerate().filter(|(_, free)| **free) {
        ranges.give(u128::try_from(number).unwrap());
    }
    ranges
}

proptest! {
    #[test]
    fn ranges_are_a_set(steps in vec((any::<bool>(), 0..SIZE), 0..300)) {
        let mut free = vec![true; usize::try_from(SIZE).unwrap()];
        let mut ranges = Ranges::new(0, SIZE - 1);
        for (take, number) in steps {
            let at = usize::try_from(number).unwrap();
            let changed = if take { ranges.take(number) } else { ranges.give(number) };
            prop_assert_eq!(changed, free[at] == take);
            free[at] = !take;
            prop_assert_eq!(&ranges, &ranges_of(&free));
            let next = |from: usize| {
                free[from..].iter().position(|free| *free).map(|step| u128::try_from(from + step).unwrap())
            };
            prop_assert_eq!(ranges.lowest(), next(0));
            prop_assert_eq!(ranges.at_or_after(number), next(at));
            prop_assert_eq!(ranges.contains(number), free[at]);
        }
    }

    #[test]
    fn blocks_fit_best_and_merge(steps in vec((any::<bool>(), 25_u8..=32, any::<prop::sample::Index>()), 0..80)) {
        let whole = Block::of(&"10.0.0.0/24".parse().unwrap());
        let mut blocks = Blocks::new(whole);
        let mut taken: Vec<Block> = Vec::new();
        for (take, len, which) in steps {
            if take {
                let best = blocks.best_fit(len);
                prop_assert_eq!(best, naive_best_fit(whole, &taken, len));
                if let Some(block) = best {
                    prop_assert!(blocks.take(block));
                    prop_assert!(!blocks.take(block));
                    taken.push(block);
                }
            } else if !taken.is_empty() {
                let block = taken.swap_remove(which.index(taken.len()));
                blocks.give(block);
            }
            prop_assert_eq!(blocks.smallest(), u128::from(naive_smallest(whole, &taken)));
        }
        for block in taken.drain(..) {
            blocks.give(block);
        }
        prop_assert_eq!(blocks, Blocks::new(whole));
    }

    #[test]
    fn blocks_are_arithmetic(bits in any::<u128>(), len in 0_u8..=128, other in 0_u8..=128, v6 in any::<bool>()) {
        let family = if v6 { AddressFamily::V6 } else { AddressFamily::V4 };
        let bits = if v6 { bits } else { bits & u128::from(u32::MAX) };
        let block = Block::around(family, bits, len);
        prop_assert!(block.contains(bits));
        prop_assert_eq!(number(address(family, bits)), bits);
        prop_assert_eq!(Block::of(&block.prefix()), block);
        prop_assert_eq!(block.prefix(), block.prefix().trunc());
        prop_assert!(block.widened(other).holds(&block));
        if block.len > 0 {
            let buddy = block.buddy();
            prop_assert_ne!(buddy, block);
            prop_assert_eq!(buddy.buddy(), block);
            prop_assert_eq!(buddy.widened(block.len - 1), block.widened(block.len - 1));
            prop_assert_eq!(block.shared_bits(&buddy), block.len - 1);
        }
    }
}

fn is_free(whole: Block, taken: &[Block], block: &Block) -> bool {
    whole.holds(block) && !taken.iter().any(|taken| taken.holds(block) || block.holds(taken))
}

fn blocks_of_length(whole: Block, len: u8) -> impl Iterator<Item = Block> {
    let step = 1_u128 << (32 - len);
    (0..(1_u128 << (len - whole.len))).map(move |i| Block { first: whole.first + i * step, len, ..whole })
}

/// The lowest free place inside the smallest aligned free block that is large enough.
fn naive_best_fit(whole: Block, taken: &[Block], len: u8) -> Option<Block> {
    (whole.len..=len).rev().find_map(|size| {
        let maximal = |block: &Block| {
            is_free(whole, taken, block)
                && (block.len == whole.len || !is_free(whole, taken, &block.widened(block.len - 1)))
        };
        blocks_of_length(whole, size).find(maximal).map(|block| Block { len, ..block })
    })
}

fn naive_smallest(whole: Block, taken: &[Block]) -> u32 {
    let free = blocks_of_length(whole, 30).filter(|block| is_free(whole, taken, block));
    u32::try_from(free.count()).unwrap()
}

fn network(id: &str, parent: Option<&str>, prefixes: &[&str]) -> Network {
    Network {
        id: id.into(),
        parent: parent.map(NetworkId::from),
        prefixes: prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect(),
        ..Network::default()
    }
}

#[test]
fn ends_of_the_address_space() {
    let mut all = Ranges::new(0, u128::MAX);
    assert!(all.take(u128::MAX) && all.take(0));
    assert_eq!((all.lowest(), all.at_or_after(u128::MAX)), (Some(1), None));
    assert!(all.give(u128::MAX) && all.give(0));
    assert_eq!(all, Ranges::new(0, u128::MAX));

    for (prefix, free, available) in [
        ("0.0.0.0/0", Some("0.0.0.1"), 2_147_483_647),
        ("128.0.0.0/1", Some("128.0.0.1"), 2_147_483_648),
        ("255.255.255.252/30", Some("255.255.255.253"), 4),
        ("255.255.255.254/31", None, 2),
        ("255.255.255.255/32", None, 1),
        ("::/0", Some("::1"), 2_147_483_647),
        ("ffff::/127", Some("ffff::1"), 2),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", None, 1),
    ] {
        let mut ipam = Ipam::default();
        ipam.network_changed(None, Some(&network("n", None, &[prefix])));
        let space = ipam.pool("n").unwrap().listed().next().unwrap();
        let family = space.block().family;
        assert_eq!(
            space.free_address(0).map(|number| address(family, number)),
            free.map(|text| text.parse().unwrap()),
            "{prefix}"
        );
        assert_eq!(space.usage().available_ips, available, "{prefix}");
    }
}

#[test]
fn whole_ipv6_space_can_be_cut_to_the_last_address() {
    let mut blocks = Blocks::new(Block::of(&"::/0".parse().unwrap()));
    let block = blocks.best_fit(128).unwrap();
    assert!(blocks.take(block));
    assert_eq!(blocks.best_fit(1).map(|block| block.prefix()), Some("8000::/1".parse().unwrap()));
    assert_eq!(blocks.best_fit(0), None);
    blocks.give(block);
    assert_eq!(blocks, Blocks::new(Block::of(&"::/0".parse().unwrap())));
}

#[test]
fn overlaps_are_found_wherever_they_are() {
    let mut ipam = Ipam::default();
    for (id, prefixes) in [
        ("super", vec!["10.0.0.0/8", "2001:db8::/32"]),
        ("child", vec!["10.0.0.0/24"]),
        ("grandchild", vec!["10.0.0.128/25"]),
        ("far", vec!["10.64.0.0/24", "192.168.0.0/16"]),
    ] {
        ipam.network_changed(None, Some(&network(id, None, &prefixes)));
    }
    let found = |prefix: &str, except: Option<&str>| {
        let counts = |id: &NetworkId| except != Some(id.as_str());
        ipam.overlapping(&Block::of(&prefix.parse().unwrap()), counts).map(|(_, id)| id.to_string())
    };
    assert_eq!(found("10.1.0.0/16", None).as_deref(), Some("super"));
    assert_eq!(found("10.1.0.0/16", Some("super")), None);
    assert_eq!(found("10.0.0.0/8", Some("super")).as_deref(), Some("child"));
    assert_eq!(found("10.0.0.255/32", Some("grandchild")).as_deref(), Some("child"));
    assert_eq!(found("10.255.255.255/32", None).as_deref(), Some("super"));
    assert_eq!(found("0.0.0.0/0", None).as_deref(), Some("super"));
    assert_eq!(found("192.168.1.1/32", None).as_deref(), Some("far"));
    assert_eq!(found("11.0.0.0/8", None), None);
    assert_eq!(found("2001:db8:1::/48", None).as_deref(), Some("super"));
    // The same bits in the other family are something else.
    assert_eq!(found("::a00:0/104", None), None);
}
