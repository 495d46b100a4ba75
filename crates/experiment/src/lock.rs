//! A lock that lets one process at a time write a results folder.
//!
//! The process that writes `OUT/NAME`, its partial folder and its kept runs locks `OUT/.NAME.lock`
//! and writes a description of itself into that file. The operating system releases the lock when
//! the process ends in any way; the lock file of a dead process is taken over.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    process,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    artifacts::{sibling, unwritable},
    diagnostic::{Failure, Result},
};

/// The maximum number of attempts to lock a file that other processes keep removing.
const TRIES: usize = 100;

/// The exclusive right to write a results folder, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// The locked file. It is dropped, and so unlocked, after it is removed.
    file: Option<File>,
    /// Parent folders that did not exist before, the innermost first.
    made: Vec<PathBuf>,
}

impl Lock {
    /// Acquires the right to write `target`.
    ///
    /// # Errors
    /// When another process holds the lock, which the message describes, or nothing can be written
    /// there.
    pub fn of(target: &Path) -> Result<Self> {
        let path = sibling(target, "lock");
        let above = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let made = above.take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
        // Constructed before locking, so that the created folders are removed on any failure.
        let mut lock = Self { path, file: None, made };
        lock.file = Some(lock.acquire(target)?.map_err(|error| unwritable(target, &error))?);
        Ok(lock)
    }

    /// As [`of`](Self::of), for a process that only reads `target`. `None` where nothing can be
    /// written beside it: then no other process on this machine writes it either.
    ///
    /// # Errors
    /// When another process holds the lock, or it cannot be had for another reason.
    pub fn to_read(target: &Path) -> Result<Option<Self>> {
        let mut lock = Self { path: sibling(target, "lock"), file: None, made: Vec::new() };
        match lock.acquire(target)? {
            Ok(file) => lock.file = Some(file),
            Err(error) => {
                use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
                let is_closed = matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem);
                return if is_closed { Ok(None) } else { Err(unwritable(target, &error)) };
            }
        }
        Ok(Some(lock))
    }

    /// The locked file, or why the system gives none.
    fn acquire(&self, target: &Path) -> Result<io::Result<File>> {
        for more in (0..TRIES).rev() {
            let mut file = match self.open() {
                // Another process has removed the folder as it ended.
                Err(error) if error.kind() == io::ErrorKind::NotFound && more > 0 => continue,
                Err(error) => return Ok(Err(error)),
                Ok(file) => file,
            };
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Err(busy(target, &mut file)),
                // Without support for locks in the file system, go on without one.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Ok(Err(error)),
                // The previous holder may have removed the file after it was opened: try again.
                Ok(()) if !is_at(&file, &self.path) => continue,
                Ok(()) => {}
            }
            // The lock is valid even if the description cannot be written (on a full disk).
            let _ = file.set_len(0).and_then(|()| file.write_all(this_process().as_bytes()));
            return Ok(Ok(file));
        }
        Ok(Err(io::Error::other("its lock is removed again and again")))
    }

    fn open(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.path)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = fs::remove_file(&self.path);
        }
        // A folder that has other contents stays.
        self.made.iter().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}

/// Whether `path` still leads to this open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(there)) => (file.dev(), file.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// On other systems an open file keeps its name.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// The failure that another process holds the lock, with that process's description of itself.
fn busy(target: &Path, file: &mut File) -> Failure {
    let mut who = String::new();
    // Right after the lock is taken, the description may be missing.
    for _ in 0..10 {
        if file.rewind().and_then(|()| file.read_to_string(&mut who)).is_ok_and(|length| length > 0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let who = if who.is_empty() { String::new() } else { format!(": {who}") };
    Failure::Run {
        problem: format!("another process is writing {}{who}", target.display()),
        remedy: Some(
            "wait until it has finished, stop it, or choose another folder with --out DIR".to_owned(),
        ),
    }
}

/// A description of this process: "process 4711 on laptop, since 2026-11-27 00:35:40 UTC: xtask
/// reproduce quickstart".
fn this_process() -> String {
    let host = sysinfo::System::host_name().unwrap_or_else(|| "an unknown host".to_owned());
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let program = words.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let command = [program].into_iter().chain(words).collect::<Vec<_>>().join(" ");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("process {} on {host}, since {}: {command}", process::id(), utc(now.as_secs()))
}

/// Seconds since 1970 as a date: "2026-11-27 00:35:40 UTC".
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that a leap day comes last, and form eras of 400 years (H. Hinnant,
    // "chrono-compatible low-level date algorithms").
    let (era, day) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year + u64::from(month >= 10), (month + 2) % 12 + 1);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_of_the_first() {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("new/runs/demo");
        let lock = Lock::of(&target).unwrap();
        let message = Lock::of(&target).unwrap_err().to_string();
        for part in ["demo", &format!("process {}", process::id()), "since 20", " UTC: "] {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
        drop(lock);
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "nothing is left");
        drop(Lock::of(&target).unwrap());
    }

    #[test]
    fn what_a_dead_process_left_is_taken_over() {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("demo");
        fs::write(out.path().join(".demo.lock"), "process 1 on another host, long ago").unwrap();
        let _lock = Lock::of(&target).unwrap();
        let message = Lock::of(&target).unwrap_err().to_string();
        assert!(message.contains(&process::id().to_string()) && !message.contains("long ago"), "{message}");
    }

    #[test]
    fn of_many_at_once_there_is_always_one() {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("runs/demo");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let Ok(_lock) = Lock::of(&target) else { continue };
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
    }

    #[test]
    fn seconds_are_dates() {
        // The dates are from `date -u -d @N`.
        for (seconds, date) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_739_740, "2026-11-27 00:35:40 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), date);
        }
    }

    #[test]
    fn an_unwritable_folder_is_found_out_at_once() {
        let out = tempfile::tempdir().unwrap();
        let file = out.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Lock::of(&file.join("demo")).unwrap_err();
        assert!(error.to_string().contains("cannot write results"), "{error}");
        assert_eq!(error.exit_code(), 1);
    }
}
