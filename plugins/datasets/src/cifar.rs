//! CIFAR: 32x32 colour images, red plane first, in fixed records (the "binary version") or in
//! Python's pickles.
//!
//! Source: A. Krizhevsky, *The CIFAR-10 dataset; The CIFAR-100 dataset*,
//! <https://www.cs.toronto.edu/~kriz/cifar.html>.

use eigenscape_core::{Error, Result};
use eigenscape_formats::pickle::{self, Known, Limits, Trouble, Value};

/// Bytes of an image.
const IMAGE: usize = 3 * 32 * 32;
/// Memory for what a small pickle describes beside as many bytes as it has itself.
const DESCRIPTION: usize = 1 << 20;

/// Images and labels, one after the other.
pub type Examples = (Vec<u8>, Vec<u32>);

/// Adds the records of a file: so many labels of a byte, of which the last counts (CIFAR-100 has a
/// coarse one first), and an image.
///
/// # Errors
/// When the file is no whole number of records, or has none.
pub fn records(subject: &str, contents: &[u8], labels: usize, into: &mut Examples) -> Result<()> {
    let record = labels + IMAGE;
    if contents.is_empty() || !contents.len().is_multiple_of(record) {
        let problem =
            format!("its {} bytes are no whole number of records of {record} bytes", contents.len());
        return Err(Error::input(subject, problem, "fetch the file again, or unpack the archive again"));
    }
    for record in contents.chunks_exact(record) {
        into.1.push(u32::from(record[labels - 1]));
        into.0.extend(&record[labels..]);
    }
    Ok(())
}

/// Adds what a pickled dictionary has under `data` (an array \[N, 3072\] of bytes) and under
/// `labels` (a list of N integers). Nothing in the file is run.
///
/// # Errors
/// When the file is no such pickle, or is damaged.
pub fn pickled(subject: &str, contents: &[u8], labels: &str, into: &mut Examples) -> Result<()> {
    let refuse = |problem: String| {
        Error::input(
            subject,
            problem,
            "fetch the file again, or unpack the archive again; it must be the Python version",
        )
    };
    let limits = Limits { memory: contents.len().saturating_add(DESCRIPTION) };
    let document =
        pickle::run(contents, Known::Numpy, limits, &|_| None).map_err(|trouble| match trouble {
            Trouble::TooLong => refuse("it has more than 4 GiB".to_owned()),
            Trouble::TooMuch => refuse("it describes more than its size allows".to_owned()),
            Trouble::Instruction(problem, at) => {
                refuse(format!("it is damaged, or no pickle: {problem} (instruction at byte {at})"))
            }
        })?;
    let get = |key: &str| {
        let value = document.get(document.root(), key);
        value.ok_or_else(|| refuse(format!("it is no dictionary with the key `{key}`")))
    };
    let images = document.array(get("data")?).ok_or_else(|| refuse("its `data` is no array".to_owned()))?;
    let whole = images.shape.first().and_then(|count| count.checked_mul(IMAGE)) == Some(images.bytes.len());
    if images.element.trim_start_matches('|') != "u1" || images.shape.get(1..) != Some(&[IMAGE][..]) || !whole
    {
        let problem =
            format!("its `data` is {:?} of type {}, not [N, {IMAGE}] of bytes", images.shape, images.element);
        return Err(refuse(problem));
    }
    let list = get(labels)?;
    let list = document.elements(list).ok_or_else(|| refuse(format!("its `{labels}` are no list")))?;
    let label = |value| match value {
        Value::Int(label) => u32::try_from(label).ok(),
        _ => None,
    };
    let list: Option<Vec<u32>> = list.map(label).collect();
    let list = list.ok_or_else(|| refuse(format!("its `{labels}` are no classes")))?;
    if list.len() * IMAGE != images.bytes.len() {
        return Err(refuse(format!(
            "it has {} labels for {} images",
            list.len(),
            images.bytes.len() / IMAGE
        )));
    }
    into.0.extend(&*images.bytes);
    into.1.extend(list);
    Ok(())
}
