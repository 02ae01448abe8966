//! A change that is only skimmed is readable or not exactly as the whole reader says, whatever its bytes.

use daftar_core::compartment::Compartment;
use daftar_core::record::Kind;
use daftar_wire::change::{Body, Entry, write_header};
use proptest::collection::vec;
use proptest::prelude::*;

type Bytes = BoxedStrategy<Vec<u8>>;

/// A CBOR head: major type and argument, in the shortest form or a longer one.
fn head(major: u8, n: u64, is_long: bool) -> Vec<u8> {
    match n {
        0..=23 if !is_long => vec![major << 5 | n as u8],
        0..=255 => vec![major << 5 | 24, n as u8],
        _ => [&[major << 5 | 26][..], &(n as u32).to_be_bytes()].concat(),
    }
}

fn with_head(major: u8, n: usize, rest: Vec<u8>) -> Vec<u8> {
    [head(major, n as u64, false), rest].concat()
}

fn value() -> Bytes {
    let leaf = prop_oneof![
        (0..2u8, any::<u32>(), any::<bool>()).prop_map(|(major, n, long)| head(major, n.into(), long)),
        "[a-zа-я]{0,6}".prop_map(|t| with_head(3, t.len(), t.into_bytes())),
        vec(any::<u8>(), 0..5).prop_map(|b| with_head(2, b.len(), b)),
        vec(any::<u8>(), 0..5).prop_map(|b| with_head(3, b.len(), b)),
        prop_oneof![Just(0xf4), Just(0xf5), Just(0xf6), Just(0xf7), any::<u8>()].prop_map(|b: u8| vec![b]),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let numbered = (0..30u64, inner.clone()).prop_map(|(n, v)| [head(0, n, false), v].concat());
        prop_oneof![
            vec(inner, 0..4).prop_map(|items| with_head(4, items.len(), items.concat())),
            vec(numbered, 0..4).prop_map(|items| with_head(5, items.len(), items.concat())),
        ]
    })
    .boxed()
}

fn path() -> Bytes {
    let field = (1..60u64, any::<bool>()).prop_map(|(n, long)| head(0, n, long));
    let key = prop_oneof![
        (0..3u8, 0..5u64).prop_map(|(major, n)| head(major.min(1), n, false)),
        "[a-z]{0,4}".prop_map(|t| with_head(3, t.len(), t.into_bytes())),
    ];
    let element =
        (1..60u64, key, 0..4u64).prop_map(|(list, key, sub)| [vec![0x83], head(0, list, false), key, head(0, sub, false)].concat());
    prop_oneof![3 => field, 1 => element].boxed()
}

/// The paths in order as a writer has them, or not; and sometimes a byte is another.
fn payload() -> Bytes {
    (vec((path(), value()), 0..6), any::<bool>(), any::<Option<(u16, u8)>>())
        .prop_map(|(mut pairs, in_order, altered)| {
            if in_order {
                pairs.sort();
            }
            let set = with_head(5, pairs.len(), pairs.into_iter().flat_map(|(path, value)| [path, value].concat()).collect());
            let mut bytes = [vec![0xa1, 0x01], set].concat();
            if let Some((at, byte)) = altered {
                let at = usize::from(at) % bytes.len();
                bytes[at] = byte;
            }
            bytes
        })
        .boxed()
}

fn entry(kind: Kind, payload: Vec<u8>) -> Entry {
    use daftar_core::change::{Header, Op};
    use daftar_core::ids::{DeviceId, OfficerId, RecordId};
    use daftar_core::time::{ClockReading, Stamp};
    let header = Header {
        device: DeviceId([1; 16]),
        record: RecordId([2; 16]),
        kind,
        author: OfficerId([3; 16]),
        op: Op::Create,
        stamp: Stamp { ms: 1_790_000_000_000, count: 0 },
        clock: ClockReading::default(),
        parents: Vec::new(),
    };
    Entry { header: write_header(&header), body: Body::Whole { payload, salt: [4; 32] } }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_change_that_is_skimmed_is_readable_exactly_where_the_whole_reader_reads_it(kind in 1..20u32, payload in payload()) {
        let (team, entry): (Compartment, _) = ("team/imt-1".parse().expect("a compartment"), entry(Kind::from_number(kind), payload));
        let whole = entry.read(&team).map(|change| (change.name, change.header));
        prop_assert_eq!(entry.skim(&team), whole);
    }
}
