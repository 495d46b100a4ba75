//! Scalars as TensorBoard reads them: an event file of TFRecords, each a protobuf `Event`.
//!
//! A record is its length (u64), the masked CRC-32C of the length, the event, and the masked
//! CRC-32C of the event, all little-endian. `Event { 1: wall_time double, 2: step int64, 3:
//! file_version string, 5: Summary { 1: Value { 1: tag string, 2: simple_value float } } }`.

use std::time::{SystemTime, UNIX_EPOCH};

use eigenscape_core::results::TrainingRecord;

use crate::{plan::RunPlan, train::EpochLog};

/// The name of an event file: TensorBoard looks for "tfevents".
pub const FILE: &str = "events.out.tfevents.0.eigenscape";

/// An event file in memory.
#[derive(Debug, Clone)]
pub struct Scalars {
    bytes: Vec<u8>,
}

impl Default for Scalars {
    fn default() -> Self {
        Self::new()
    }
}

impl Scalars {
    /// A file without scalars.
    #[must_use]
    pub fn new() -> Self {
        let mut file = Self { bytes: Vec::new() };
        let mut event = wall_time();
        text(&mut event, 3, b"brain.Event:2");
        file.record(&event);
        file
    }

    /// Adds a number under a tag at a step.
    pub fn add(&mut self, tag: &str, step: usize, value: f64) {
        let mut scalar = Vec::new();
        text(&mut scalar, 1, tag.as_bytes());
        field(&mut scalar, 2, FIXED_32);
        scalar.extend((value as f32).to_le_bytes());
        let mut summary = Vec::new();
        text(&mut summary, 1, &scalar);
        let mut event = wall_time();
        field(&mut event, 2, VARINT);
        varint(&mut event, step as u64);
        text(&mut event, 5, &summary);
        self.record(&event);
    }

    /// Adds the log of an epoch of `steps` steps: each mini-batch's loss and learning rate, and
    /// each penalty. The horizontal axis is the step.
    pub fn steps(&mut self, plan: &RunPlan, epoch: usize, log: &EpochLog, steps: usize) {
        let first = epoch.saturating_sub(1) * steps;
        for (step, taken) in log.steps.iter().enumerate() {
            self.add("batch/loss", first + step, taken.loss);
            self.add("batch/learning_rate", first + step, taken.lr);
        }
        let regularizers = plan.train.as_ref().map_or(&[][..], |train| &train.regularizers);
        for penalty in &log.penalties {
            let name = &regularizers[penalty.regularizer].name;
            let tag = |what: &str| format!("{what}/{}-{name}", penalty.regularizer);
            self.add(&tag("penalty"), first + penalty.step, penalty.value);
            self.add(&tag("penalty_seconds"), first + penalty.step, penalty.seconds);
            if let Some(stderr) = penalty.stderr {
                self.add(&tag("penalty_stderr"), first + penalty.step, stderr);
            }
        }
    }

    /// Like [`Self::steps`], with the losses and accuracies after the epoch.
    pub fn epoch(&mut self, plan: &RunPlan, record: &TrainingRecord, log: &EpochLog, steps: usize) {
        self.steps(plan, record.epoch, log, steps);
        for (tag, value) in [
            ("loss/train", Some(record.train_loss)),
            ("loss/test", record.test_loss),
            ("accuracy/train", record.train_accuracy),
            ("accuracy/test", record.test_accuracy),
            ("top5/train", record.train_top5),
            ("top5/test", record.test_top5),
        ] {
            if let Some(value) = value {
                self.add(tag, record.epoch * steps, value);
            }
        }
    }

    /// The file's bytes so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// An event file with these bytes, to which more can be added.
    #[must_use]
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    fn record(&mut self, event: &[u8]) {
        let length = (event.len() as u64).to_le_bytes();
        self.bytes.extend(length);
        self.bytes.extend(masked_crc(&length).to_le_bytes());
        self.bytes.extend(event);
        self.bytes.extend(masked_crc(event).to_le_bytes());
    }
}

/// The checksum of TFRecords. A CRC of data that contains CRCs is weak, so the CRC is rotated and
/// offset.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED_32: u8 = 5;

/// An event with the current time as its first field.
fn wall_time() -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let mut event = Vec::new();
    field(&mut event, 1, FIXED_64);
    event.extend(now.to_le_bytes());
    event
}

fn field(message: &mut Vec<u8>, number: u8, kind: u8) {
    message.push(number << 3 | kind);
}

fn text(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    field(message, number, LENGTH);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

/// Appends a number with seven bits per byte, the lowest first; the eighth bit says that more
/// follow.
fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a file, with both checksums verified.
    fn events(mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            assert_eq!(word(8), masked_crc(&bytes[..8]));
            assert_eq!(word(12 + length), masked_crc(&bytes[12..12 + length]));
            events.push(&bytes[12..12 + length]);
            bytes = &bytes[16 + length..];
        }
        events
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut scalars = Scalars::new();
        scalars.add("loss", 300, 0.5);
        let events = events(scalars.bytes());
        assert_eq!(events[0][9..], [&[3 << 3 | 2, 13][..], b"brain.Event:2"].concat());
        // After the time: step 300 as a varint; a summary of 13 bytes with one value of 11 bytes:
        // the tag "loss" and 0.5.
        let scalar = [&[1 << 3 | 2, 4][..], b"loss", &[2 << 3 | 5], &0.5_f32.to_le_bytes()].concat();
        let expected = [&[2 << 3, 0xac, 0x02, 5 << 3 | 2, 13, 1 << 3 | 2, 11][..], &scalar].concat();
        assert_eq!(events[1][9..], expected);
    }

    /// CRC-32C of "123456789" is 0xe3069283.
    #[test]
    fn the_checksum_is_the_masked_castagnoli_one() {
        assert_eq!(masked_crc(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}
