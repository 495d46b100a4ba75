//! Writes the subset of Fashion-MNIST that is embedded in this crate, from the published files:
//!
//! ```sh
//! cargo run -p eigenscape-datasets --example embed_fashion_mnist -- [FOLDER]
//! ```
//!
//! FOLDER holds the four published files; without it they are looked for where `source = "full"`
//! looks.

#![allow(missing_docs)]

use std::{env, error::Error, fs::File, path::Path};

use eigenscape_core::{Split, registry::Environment};
use eigenscape_datasets::{
    fashion_mnist::{EMBEDDED_TEST_PER_CLASS, EMBEDDED_TRAIN_PER_CLASS},
    location::Roots,
    sets::FASHION_MNIST,
};
use eigenscape_formats::idx::Idx;
use flate2::{Compression, GzBuilder};

fn main() -> Result<(), Box<dyn Error>> {
    let set = FASHION_MNIST;
    let places = match env::args_os().nth(1) {
        Some(folder) => set.places_in(Path::new(&folder)),
        None => set.customary_places(&Roots::new(&Environment::default())),
    };
    let place = set.choose(&places)?;
    let opened = place.open()?;
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(set.name);
    for (split, per_class) in
        [(Split::Train, EMBEDDED_TRAIN_PER_CLASS), (Split::Test, EMBEDDED_TEST_PER_CLASS)]
    {
        let subset = set
            .read(&opened, split)?
            .balanced(per_class)
            .map_err(|(class, found)| format!("class {class} has {found} images, {per_class} are needed"))?;
        let labels =
            subset.labels().iter().map(|label| u8::try_from(*label)).collect::<Result<Vec<u8>, _>>()?;
        let labels = Idx::new(vec![labels.len()], labels).ok_or("there is a label for each image")?;
        for (file, array) in place.release.split(split).iter().zip([subset.images(), &labels]) {
            write(&target.join(format!("{}.gz", file.name)), array)?;
        }
    }
    Ok(())
}

/// As `gzip -9 --no-name`: no time and no name in the file, so that the same data give the same
/// bytes.
fn write(path: &Path, array: &Idx) -> Result<(), Box<dyn Error>> {
    let mut encoder = GzBuilder::new().mtime(0).write(File::create(path)?, Compression::best());
    array.encode(&mut encoder)?;
    encoder.finish()?;
    println!("{} {:?}", path.display(), array.shape());
    Ok(())
}
