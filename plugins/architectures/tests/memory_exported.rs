//! What reading a file of `torch.export.save` holds beside the network: the file and a constant.
//!
//! Alone in its binary, because it measures the memory of the whole process.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "../../../crates/experiment/tests/archives/mod.rs"]
mod archives;

use std::path::{Path, PathBuf};

use archives::{Entries, pack, unpack};
use eigenscape_architectures::exported::{Exported, Parameters};
use eigenscape_core::{Architecture, registry::Environment};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes beside file and network: names, a message.
const CONSTANT: usize = 64 << 10;
/// The side of the large weight.
const SIDE: usize = 1024;

/// A network with a large weight in its first layer, stored with these strides as the type of this
/// number in PyTorch's schema, of elements of these bytes.
fn with_weight(code: u32, element: &[u8], strides: [usize; 2]) -> Entries {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/exported/lengths.pt2");
    let mut entries = unpack(&std::fs::read(path).unwrap());
    for (name, contents) in &mut entries {
        if name.ends_with("weights_config.json") {
            let text = String::from_utf8(contents.clone()).unwrap();
            let ints = |all: &[usize]| {
                let all: Vec<String> = all.iter().map(|one| format!("{{\"as_int\": {one}}}")).collect();
                format!("[{}]", all.join(", "))
            };
            let text = text
                .replacen(
                    &format!("\"sizes\": {}", ints(&[3, 2, 3])),
                    &format!("\"sizes\": {}", ints(&[SIDE; 2])),
                    1,
                )
                .replacen(&ints(&[6, 3, 1]), &ints(&strides), 1)
                .replacen("\"dtype\": 8", &format!("\"dtype\": {code}"), 1);
            *contents = text.into_bytes();
        } else if name.ends_with("weight_0") {
            *contents = element.repeat(SIDE * SIDE);
        }
    }
    entries
}

/// The bytes that `read` takes at most beside what its result holds.
fn beside<T>(read: impl FnOnce() -> T) -> (T, usize) {
    MEMORY.reset_peak_usage();
    let result = read();
    let after = MEMORY.current_usage();
    (result, MEMORY.peak_usage().saturating_sub(after))
}

/// One test alone, so that none counts another's memory.
#[test]
fn a_file_is_held_once() {
    of_a_network();
    of_what_is_refused();
}

fn of_a_network() {
    let row_major = [SIDE, 1];
    let cases = [
        with_weight(7, &1.5_f32.to_le_bytes(), row_major),
        with_weight(8, &1.5_f64.to_le_bytes(), row_major),
        with_weight(6, &0x3e00_u16.to_le_bytes(), row_major),
        with_weight(13, &0x3fc0_u16.to_le_bytes(), row_major),
        // Columns first.
        with_weight(7, &1.5_f32.to_le_bytes(), [1, SIDE]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pt2");
    for (case, entries) in cases.iter().enumerate() {
        let file = pack(entries);
        std::fs::write(&path, &file).unwrap();
        let (exported, bytes) = beside(|| Exported::parse(Path::new("a.pt2"), &file, None).unwrap());
        assert!(bytes <= CONSTANT, "{bytes} beside the file and the network in case {case}");
        let weight = &exported.weights().unwrap()["a.weight"];
        assert_eq!(weight.dims(), [SIDE, SIDE]);
        let sum = weight.to_dtype(candle_core::DType::F64).unwrap().sum_all().unwrap();
        assert_eq!(sum.to_scalar::<f64>().unwrap(), 1.5 * (SIDE * SIDE) as f64);
        let parameters = Parameters { path: PathBuf::from(&path), output: None };
        let (exported, bytes) = beside(|| Exported::load(&parameters, &Environment::default()).unwrap());
        assert!(bytes <= file.len() + CONSTANT, "{bytes} beside the network in case {case}");
        drop(exported);
    }
}

fn of_what_is_refused() {
    let mut entries = with_weight(7, &1.5_f32.to_le_bytes(), [SIDE, 1]);
    let last = |entries: &mut Entries, change: fn(&mut Vec<u8>)| {
        let weight = entries.iter_mut().find(|(name, _)| name.ends_with("weight_0")).unwrap();
        change(&mut weight.1);
    };
    let infinite = |weight: &mut Vec<u8>| weight[100..104].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let cut = |weight: &mut Vec<u8>| weight.truncate(1 << 20);
    for (change, most) in [(infinite as fn(&mut Vec<u8>), 4 * SIDE * SIDE), (cut, 0)] {
        // At most the weight that was being read.
        last(&mut entries, change);
        let file = pack(&entries);
        let (result, bytes) = beside(|| Exported::parse(Path::new("a.pt2"), &file, None).is_err());
        assert!(result && bytes <= most + CONSTANT, "{bytes} beside a file of {}", file.len());
    }
}
