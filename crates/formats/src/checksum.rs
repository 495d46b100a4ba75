//! Whether bytes are those that were written.

use std::io::{self, Read};

use md5::{Digest, Md5};

/// The MD5 of everything that a reader gives, in hexadecimal digits: it finds damage, not malice.
///
/// # Errors
/// When the reader fails.
///
/// ```
/// // RFC 1321, A.5.
/// let sum = eigenscape_formats::checksum::md5(&b"abc"[..])?;
/// assert_eq!(sum, "900150983cd24fb0d6963f7d28e17f72");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn md5(mut bytes: impl Read) -> io::Result<String> {
    let (mut hasher, mut buffer) = (Md5::new(), vec![0; 1 << 16]);
    loop {
        match bytes.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
