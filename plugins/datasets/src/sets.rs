//! The published sets: names, files, sums, classes, and the statistics by which pixels are
//! normalised.
//!
//! MD5 sums are those of torchvision's lists and, for CIFAR's binary versions, of the page that
//! publishes them. Statistics are those of the paper's code. It does not use EMNIST, for which they
//! are the most common ones in public code, for any split (0.1751 and 0.3332 occur, too); on which
//! split they were measured is not documented.

use crate::{
    checksum::Checksum,
    format::Format,
    pixels::HALVES,
    published::{Archive, PublishedFile, PublishedSet, Release},
    tiny_imagenet,
};

/// All published sets of this crate; each split of EMNIST is a set.
pub const PUBLISHED: &[PublishedSet] = &[
    MNIST,
    FASHION_MNIST,
    EMNIST_BALANCED,
    EMNIST_BYCLASS,
    EMNIST_BYMERGE,
    EMNIST_DIGITS,
    EMNIST_LETTERS,
    EMNIST_MNIST,
    CIFAR_10,
    CIFAR_100,
    SVHN,
    STL_10,
    TINY_IMAGENET,
];

const fn file(name: &'static str) -> PublishedFile {
    PublishedFile { name, gzipped: false, checksum: None }
}

const fn known(name: &'static str, bytes: u64, md5: &'static str) -> PublishedFile {
    PublishedFile { name, gzipped: false, checksum: Some(Checksum { bytes, md5 }) }
}

const fn gzipped(name: &'static str, bytes: u64, md5: &'static str) -> PublishedFile {
    PublishedFile { name, gzipped: true, checksum: Some(Checksum { bytes, md5 }) }
}

const fn archive(path: &'static str, folder: &'static str, bytes: u64, md5: &'static str) -> Option<Archive> {
    Some(Archive { path, folder, checksum: Checksum { bytes, md5 } })
}

const DIGITS: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Y. LeCun, C. Cortes and C. Burges, *The MNIST database of handwritten digits*: 60,000 training
/// and 10,000 test images.
pub const MNIST: PublishedSet = PublishedSet {
    name: "mnist",
    title: "MNIST",
    publisher: "Y. LeCun, C. Cortes and C. Burges, http://yann.lecun.com/exdb/mnist, mirrored at https://ossci-datasets.s3.amazonaws.com/mnist",
    licence: "CC BY-SA 3.0",
    debian_package: None,
    keras: false,
    releases: &[Release {
        format: Format::Idx,
        folder: "MNIST/raw",
        archive: None,
        train: &[
            gzipped("train-images-idx3-ubyte", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            gzipped("train-labels-idx1-ubyte", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
        ],
        test: &[
            gzipped("t10k-images-idx3-ubyte", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
            gzipped("t10k-labels-idx1-ubyte", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
        ],
    }],
    shape: [1, 28, 28],
    classes: DIGITS,
    statistics: [&[0.1307], &[0.3081]],
    pad: 2,
    embedded: None,
};

/// H. Xiao, K. Rasul and R. Vollgraf, *Fashion-MNIST: a Novel Image Dataset for Benchmarking
/// Machine Learning Algorithms*, arXiv 1708.07747: 60,000 training and 10,000 test images.
pub const FASHION_MNIST: PublishedSet = PublishedSet {
    name: "fashion-mnist",
    title: "Fashion-MNIST",
    publisher: "Zalando Research, https://github.com/zalandoresearch/fashion-mnist",
    licence: "MIT",
    debian_package: Some("dataset-fashion-mnist"),
    keras: true,
    releases: &[Release {
        format: Format::Idx,
        folder: "FashionMNIST/raw",
        archive: None,
        train: &[
            gzipped("train-images-idx3-ubyte", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            gzipped("train-labels-idx1-ubyte", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        ],
        test: &[
            gzipped("t10k-images-idx3-ubyte", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
            gzipped("t10k-labels-idx1-ubyte", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
        ],
    }],
    shape: [1, 28, 28],
    classes: &[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    statistics: HALVES,
    pad: 2,
    embedded: Some("the balanced subset inside the program (600 + 100 images per class)"),
};

macro_rules! emnist {
    ($constant:ident, $split:literal, $first:literal, $classes:expr) => {
        /// G. Cohen, S. Afshar, J. Tapson and A. van Schaik, *EMNIST: an extension of MNIST to
        /// handwritten letters*, arXiv 1702.05373.
        pub const $constant: PublishedSet = PublishedSet {
            name: concat!("emnist-", $split),
            title: concat!("EMNIST, split ", $split),
            publisher: "NIST, https://www.nist.gov/itl/products-and-services/emnist-dataset",
            licence: "public domain",
            debian_package: None,
            keras: false,
            releases: &[Release {
                format: Format::Emnist { first: $first },
                folder: "EMNIST/raw",
                archive: archive(
                    "EMNIST/raw/gzip.zip",
                    "gzip",
                    561_753_746,
                    "58c8d27c78d21e728a6bc7b3cc06412e",
                ),
                train: &[
                    PublishedFile {
                        gzipped: true,
                        ..file(concat!("emnist-", $split, "-train-images-idx3-ubyte"))
                    },
                    PublishedFile {
                        gzipped: true,
                        ..file(concat!("emnist-", $split, "-train-labels-idx1-ubyte"))
                    },
                ],
                test: &[
                    PublishedFile {
                        gzipped: true,
                        ..file(concat!("emnist-", $split, "-test-images-idx3-ubyte"))
                    },
                    PublishedFile {
                        gzipped: true,
                        ..file(concat!("emnist-", $split, "-test-labels-idx1-ubyte"))
                    },
                ],
            }],
            shape: [1, 28, 28],
            classes: $classes,
            statistics: [&[0.1736], &[0.3317]],
            pad: 2,
            embedded: None,
        };
    };
}

emnist!(EMNIST_BALANCED, "balanced", 0, MERGED);
emnist!(EMNIST_BYCLASS, "byclass", 0, CHARACTERS);
emnist!(EMNIST_BYMERGE, "bymerge", 0, MERGED);
emnist!(EMNIST_DIGITS, "digits", 0, DIGITS);
emnist!(EMNIST_LETTERS, "letters", 1, LETTERS);
emnist!(EMNIST_MNIST, "mnist", 0, DIGITS);

const CHARACTERS: &[&str] = &[
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K",
    "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b", "c", "d", "e", "f",
    "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z",
];
/// Lower-case letters are merged into upper-case letters that look alike.
const MERGED: &[&str] = &[
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K",
    "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b", "d", "e", "f", "g",
    "h", "n", "q", "r", "t",
];
const LETTERS: &[&str] = &[
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u",
    "v", "w", "x", "y", "z",
];

const CIFAR: &str = "A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html";

/// 50,000 training and 10,000 test images.
pub const CIFAR_10: PublishedSet = PublishedSet {
    name: "cifar-10",
    title: "CIFAR-10",
    publisher: CIFAR,
    licence: "none stated",
    debian_package: None,
    keras: false,
    releases: &[
        Release {
            format: Format::CifarPickles("labels"),
            folder: "cifar-10-batches-py",
            archive: archive(
                "cifar-10-python.tar.gz",
                "cifar-10-batches-py",
                170_498_071,
                "c58f30108f718f92721af3b95e74349a",
            ),
            train: &[
                known("data_batch_1", 31_035_704, "c99cafc152244af753f735de768cd75f"),
                known("data_batch_2", 31_035_320, "d4bba439e000b95fd0a9bffe97cbabec"),
                known("data_batch_3", 31_035_999, "54ebc095f3ab1f0389bbae665268c751"),
                known("data_batch_4", 31_035_696, "634d18415352ddfa80567beed471001a"),
                known("data_batch_5", 31_035_623, "482c414d41f54cd18b22e5b47cb7c3cb"),
            ],
            test: &[known("test_batch", 31_035_526, "40351d587109b95175f43aff81a1287e")],
        },
        Release {
            format: Format::CifarRecords(1),
            folder: "cifar-10-batches-bin",
            archive: archive(
                "cifar-10-binary.tar.gz",
                "cifar-10-batches-bin",
                170_052_171,
                "c32a1d4ab5d03f1284b67883e8d87530",
            ),
            train: &[
                file("data_batch_1.bin"),
                file("data_batch_2.bin"),
                file("data_batch_3.bin"),
                file("data_batch_4.bin"),
                file("data_batch_5.bin"),
            ],
            test: &[file("test_batch.bin")],
        },
    ],
    shape: [3, 32, 32],
    classes: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    statistics: [&[125.3 / 255.0, 123.0 / 255.0, 113.9 / 255.0], &[63.0 / 255.0, 62.1 / 255.0, 66.7 / 255.0]],
    pad: 0,
    embedded: None,
};

/// The 100 fine classes; 50,000 training and 10,000 test images.
pub const CIFAR_100: PublishedSet = PublishedSet {
    name: "cifar-100",
    title: "CIFAR-100",
    releases: &[
        Release {
            format: Format::CifarPickles("fine_labels"),
            folder: "cifar-100-python",
            archive: archive(
                "cifar-100-python.tar.gz",
                "cifar-100-python",
                169_001_437,
                "eb9058c3a382ffc7106e4002c42a8d85",
            ),
            train: &[file("train")],
            test: &[file("test")],
        },
        Release {
            format: Format::CifarRecords(2),
            folder: "cifar-100-binary",
            archive: archive(
                "cifar-100-binary.tar.gz",
                "cifar-100-binary",
                168_513_733,
                "03b5dce01913d631647c71ecec9e9cb8",
            ),
            train: &[file("train.bin")],
            test: &[file("test.bin")],
        },
    ],
    classes: &[
        "apple",
        "aquarium_fish",
        "baby",
        "bear",
        "beaver",
        "bed",
        "bee",
        "beetle",
        "bicycle",
        "bottle",
        "bowl",
        "boy",
        "bridge",
        "bus",
        "butterfly",
        "camel",
        "can",
        "castle",
        "caterpillar",
        "cattle",
        "chair",
        "chimpanzee",
        "clock",
        "cloud",
        "cockroach",
        "couch",
        "crab",
        "crocodile",
        "cup",
        "dinosaur",
        "dolphin",
        "elephant",
        "flatfish",
        "forest",
        "fox",
        "girl",
        "hamster",
        "house",
        "kangaroo",
        "keyboard",
        "lamp",
        "lawn_mower",
        "leopard",
        "lion",
        "lizard",
        "lobster",
        "man",
        "maple_tree",
        "motorcycle",
        "mountain",
        "mouse",
        "mushroom",
        "oak_tree",
        "orange",
        "orchid",
        "otter",
        "palm_tree",
        "pear",
        "pickup_truck",
        "pine_tree",
        "plain",
        "plate",
        "poppy",
        "porcupine",
        "possum",
        "rabbit",
        "raccoon",
        "ray",
        "road",
        "rocket",
        "rose",
        "sea",
        "seal",
        "shark",
        "shrew",
        "skunk",
        "skyscraper",
        "snail",
        "snake",
        "spider",
        "squirrel",
        "streetcar",
        "sunflower",
        "sweet_pepper",
        "table",
        "tank",
        "telephone",
        "television",
        "tiger",
        "tractor",
        "train",
        "trout",
        "tulip",
        "turtle",
        "wardrobe",
        "whale",
        "willow_tree",
        "wolf",
        "woman",
        "worm",
    ],
    statistics: [&[129.3 / 255.0, 124.1 / 255.0, 112.4 / 255.0], &[68.2 / 255.0, 65.4 / 255.0, 70.4 / 255.0]],
    ..CIFAR_10
};

/// Y. Netzer et al., *Reading Digits in Natural Images with Unsupervised Feature Learning*: 73,257
/// training and 26,032 test images.
pub const SVHN: PublishedSet = PublishedSet {
    name: "svhn",
    title: "SVHN",
    publisher: "Stanford University, http://ufldl.stanford.edu/housenumbers",
    licence: "for non-commercial use",
    debian_package: None,
    keras: false,
    releases: &[Release {
        format: Format::Svhn,
        folder: "",
        archive: None,
        train: &[known("train_32x32.mat", 182_040_794, "e26dedcc434d2e4c54c9b2d4a06d8373")],
        test: &[known("test_32x32.mat", 64_275_384, "eb5a983be6a315427106f1b164d9cef3")],
    }],
    shape: [3, 32, 32],
    classes: DIGITS,
    statistics: HALVES,
    pad: 0,
    embedded: None,
};

/// A. Coates, H. Lee and A. Ng, *An Analysis of Single-Layer Networks in Unsupervised Feature
/// Learning*: 5,000 training and 8,000 test images; those without labels are not read.
pub const STL_10: PublishedSet = PublishedSet {
    name: "stl-10",
    title: "STL-10",
    publisher: "Stanford University, https://cs.stanford.edu/~acoates/stl10",
    licence: "of ImageNet",
    debian_package: None,
    keras: false,
    releases: &[Release {
        format: Format::Stl,
        folder: "stl10_binary",
        archive: archive(
            "stl10_binary.tar.gz",
            "stl10_binary",
            2_640_397_119,
            "91f7769df0f17e558f3565bffb0c7dfb",
        ),
        train: &[
            known("train_X.bin", 138_240_000, "918c2871b30a85fa023e0c44e0bee87f"),
            known("train_y.bin", 5_000, "5a34089d4802c674881badbb80307741"),
        ],
        test: &[
            known("test_X.bin", 221_184_000, "7f263ba9f9e0b06b93213547f721ac82"),
            known("test_y.bin", 8_000, "36f9794fa4beb8a2c72628de14fa638e"),
        ],
    }],
    shape: [3, 96, 96],
    classes: &["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"],
    statistics: HALVES,
    pad: 0,
    embedded: None,
};

/// 100,000 training images of 200 of ImageNet's classes, and 10,000 for validation, which serve as
/// the test split.
pub const TINY_IMAGENET: PublishedSet = PublishedSet {
    name: "tiny-imagenet",
    title: "Tiny ImageNet",
    publisher: "Stanford University, http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    licence: "of ImageNet",
    debian_package: None,
    keras: false,
    releases: &[Release {
        format: Format::TinyImageNet,
        folder: "tiny-imagenet-200",
        archive: archive(
            "tiny-imagenet-200.zip",
            "tiny-imagenet-200",
            248_100_043,
            "90528d7ca1a48142e341f4ef8d21d0de",
        ),
        train: &[file(tiny_imagenet::CLASSES)],
        test: &[file(tiny_imagenet::ANNOTATIONS)],
    }],
    shape: [3, 64, 64],
    classes: &[],
    statistics: [&[0.4802, 0.4481, 0.3975], &[0.2302, 0.2265, 0.2262]],
    pad: 0,
    embedded: None,
};
