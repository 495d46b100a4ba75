//! The instructions of pickle protocols 2 to 5, as `pickletools` of Python names them.

/// What an instruction does. Instructions with the same effect here have one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    /// Says how the pickle is written: so many bytes that mean nothing here.
    Skip(u8),
    /// Pushes a truth value.
    Bool(bool),
    /// Pushes a value of so many bytes that no description needs.
    Opaque(u8),
    /// Pushes bytes whose length is in so many bytes.
    Bytes(u8),
    /// Pushes a text whose length is in so many bytes.
    Text(u8),
    /// Pushes an integer of so many bytes, without a sign.
    Unsigned(u8),
    /// Pushes an integer of four bytes with a sign.
    Signed,
    /// Pushes an integer whose length is in so many bytes.
    Long(u8),
    /// Pushes an empty list or set.
    List,
    /// Pushes an empty dictionary.
    Dict,
    /// Replaces what is above the mark by a list or set.
    ListFromMark,
    /// Replaces what is above the mark by a dictionary.
    DictFromMark,
    /// Adds the last value to a list.
    Append,
    /// Adds what is above the mark to a list or set.
    Appends,
    /// Adds the last two values to a dictionary.
    SetItem,
    /// Adds what is above the mark to a dictionary.
    SetItems,
    /// Replaces the last so many values by a tuple.
    Tuple(usize),
    /// Replaces what is above the mark by a tuple.
    TupleFromMark,
    /// Pushes a class or function by its module and name in the pickle.
    Global,
    /// The same with module and name from the stack.
    StackGlobal,
    /// Replaces a function and its arguments by the result.
    Reduce,
    /// Replaces a class and so many arguments by an object.
    NewObject(usize),
    /// Gives an object its state.
    Build,
    /// Replaces a description of something outside the pickle by that thing.
    PersistentId,
    /// Remembers the last value under a number of so many bytes.
    Put(u8),
    /// Remembers the last value under the next number.
    Memoize,
    /// Pushes the value remembered under a number of so many bytes.
    Get(u8),
    /// Sets a mark.
    Mark,
    /// Drops the last value.
    Pop,
    /// Drops what is above the mark.
    PopMark,
    /// Pushes the last value again.
    Duplicate,
    /// Ends the pickle; the last value is its result.
    Stop,
}

impl Opcode {
    /// The instruction of a byte; `None` for one that `torch.save` has no use for.
    pub(super) fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0x80 => Self::Skip(1),
            0x95 => Self::Skip(8),
            b'N' => Self::Opaque(0),
            0x88 => Self::Bool(true),
            0x89 => Self::Bool(false),
            b'G' => Self::Opaque(8),
            b'C' => Self::Bytes(1),
            b'B' => Self::Bytes(4),
            0x8e | 0x96 => Self::Bytes(8),
            b'U' | 0x8c => Self::Text(1),
            b'T' | b'X' => Self::Text(4),
            0x8d => Self::Text(8),
            b'K' => Self::Unsigned(1),
            b'M' => Self::Unsigned(2),
            b'J' => Self::Signed,
            0x8a => Self::Long(1),
            0x8b => Self::Long(4),
            b']' | 0x8f => Self::List,
            b'}' => Self::Dict,
            b'l' | 0x91 => Self::ListFromMark,
            b'd' => Self::DictFromMark,
            b'a' => Self::Append,
            b'e' | 0x90 => Self::Appends,
            b's' => Self::SetItem,
            b'u' => Self::SetItems,
            b')' => Self::Tuple(0),
            0x85 => Self::Tuple(1),
            0x86 => Self::Tuple(2),
            0x87 => Self::Tuple(3),
            b't' => Self::TupleFromMark,
            b'c' => Self::Global,
            0x93 => Self::StackGlobal,
            b'R' => Self::Reduce,
            0x81 => Self::NewObject(1),
            0x92 => Self::NewObject(2),
            b'b' => Self::Build,
            b'Q' => Self::PersistentId,
            b'q' => Self::Put(1),
            b'r' => Self::Put(4),
            0x94 => Self::Memoize,
            b'h' => Self::Get(1),
            b'j' => Self::Get(4),
            b'(' => Self::Mark,
            b'0' => Self::Pop,
            b'1' => Self::PopMark,
            b'2' => Self::Duplicate,
            b'.' => Self::Stop,
            _ => return None,
        })
    }
}
