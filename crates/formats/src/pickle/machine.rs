//! The stack machine.

use super::{
    array,
    cursor::Cursor,
    document::{Document, Row},
    opcode::Opcode,
    rebuild::{self, Function},
    value::{Span, Value},
};

type Result<T, E = &'static str> = std::result::Result<T, E>;

/// Whose descriptions are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Dictionaries and tensors. What is in lists and bytes is left out: no state dict needs it, so
    /// that it costs no memory.
    Torch,
    /// Dictionaries, lists, bytes and arrays.
    Numpy,
}

/// Why a pickle cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It has more than 4 GiB.
    TooLong,
    /// It describes more than the limits allow.
    TooMuch,
    /// An instruction cannot be followed: why, and at which byte it is.
    Instruction(&'static str, usize),
}

/// What reading a pickle may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of memory beside the file: what is described may not be larger.
    pub memory: usize,
}

/// Runs a pickle; `entry` gives the bytes of the storage of a name.
///
/// Time is proportional to the pickle's length, but for the sorts at the end.
///
/// # Errors
/// When the pickle is damaged, or of another kind than `known`, or describes more than the limits
/// allow.
pub fn run<'a>(
    pickle: &'a [u8],
    known: Known,
    limits: Limits,
    entry: &dyn Fn(&str) -> Option<&'a [u8]>,
) -> Result<Document<'a>, Trouble> {
    let mut machine = Machine {
        cursor: Cursor::new(pickle).ok_or(Trouble::TooLong)?,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        dictionaries: 0,
        lists: 0,
        document: Document::new(pickle, known),
        entry,
    };
    loop {
        let at = machine.cursor.at();
        let go_on = machine.step().map_err(|problem| Trouble::Instruction(problem, at))?;
        if machine.memory() > limits.memory {
            return Err(Trouble::TooMuch);
        }
        if !go_on {
            break;
        }
    }
    let mut document = machine.document;
    document.rows.sort_by_key(|row| row.dictionary);
    document.elements.sort_by_key(|(list, _)| *list);
    Ok(document)
}

/// Bytes of a name. Names are looked at as often as they are referred to, so that the time would
/// not be proportional to the pickle's length if they could be of any length.
const LONGEST_NAME: u32 = 1024;
/// The end of the pickle where there should be more.
const END: &str = "it ends too early";

struct Machine<'a, 'e> {
    cursor: Cursor<'a>,
    stack: Vec<Value>,
    /// Heights of the stack.
    marks: Vec<usize>,
    /// What was remembered, by number.
    memo: Vec<Value>,
    /// The number of dictionaries.
    dictionaries: u32,
    /// The number of lists.
    lists: u32,
    document: Document<'a>,
    entry: &'e dyn Fn(&str) -> Option<&'a [u8]>,
}

impl Machine<'_, '_> {
    fn memory(&self) -> usize {
        size_of_val(&*self.stack)
            + size_of_val(&*self.marks)
            + size_of_val(&*self.memo)
            + self.document.memory()
    }

    /// Runs one instruction; says whether there is a next one.
    fn step(&mut self) -> Result<bool, &'static str> {
        let opcode = Opcode::of(self.cursor.byte().ok_or(END)?);
        match opcode.ok_or("there is an unknown instruction")? {
            Opcode::Skip(length) => {
                self.cursor.take(length.into()).ok_or(END)?;
            }
            Opcode::Opaque(length) => {
                self.cursor.take(length.into()).ok_or(END)?;
                self.stack.push(Value::Opaque);
            }
            Opcode::Bool(value) => {
                let arrays = self.document.known == Known::Numpy;
                self.stack.push(if arrays { Value::Int(value.into()) } else { Value::Opaque });
            }
            Opcode::Bytes(width) => {
                let bytes = self.counted(width)?;
                let bytes = self.bytes(bytes);
                self.stack.push(bytes);
            }
            Opcode::Text(width) => {
                let text = self.counted(width)?;
                let valid = str::from_utf8(text.of(self.document.pickle)).is_ok();
                let value = if valid { Value::Text(text) } else { self.bytes(text) };
                self.stack.push(value);
            }
            Opcode::Unsigned(width) => {
                let number = self.cursor.length(width).ok_or(END)?;
                self.stack.push(Value::Int(number as i64));
            }
            Opcode::Signed => {
                let number = i32::from_le_bytes(self.cursor.array().ok_or(END)?);
                self.stack.push(Value::Int(number.into()));
            }
            Opcode::Long(width) => {
                let length = self.cursor.length(width).ok_or(END)?;
                let number = self.cursor.integer(length).ok_or(END)?;
                self.stack.push(number.map_or(Value::Opaque, Value::Int));
            }
            Opcode::List => {
                let list = self.list()?;
                self.stack.push(list);
            }
            Opcode::Dict => {
                let dictionary = self.dictionary()?;
                self.stack.push(dictionary);
            }
            Opcode::ListFromMark => {
                let start = self.mark()?;
                let list = self.list()?;
                self.stack.insert(start, list);
                self.append(start + 1)?;
            }
            Opcode::DictFromMark => {
                // The dictionary comes to lie in front of its keys and values.
                let start = self.mark()?;
                let dictionary = self.dictionary()?;
                self.stack.insert(start, dictionary);
                self.add(start + 1)?;
            }
            Opcode::Append => {
                let start = self.stack.len().checked_sub(1).ok_or("the stack is empty")?;
                self.append(start)?;
            }
            Opcode::Appends => {
                let start = self.mark()?;
                self.append(start)?;
            }
            Opcode::SetItem => {
                let start = self.stack.len().checked_sub(2).ok_or("the stack is empty")?;
                self.add(start)?;
            }
            Opcode::SetItems => {
                let start = self.mark()?;
                self.add(start)?;
            }
            Opcode::Tuple(length) => {
                let start = self.stack.len().checked_sub(length).ok_or("the stack is empty")?;
                self.tuple(start);
            }
            Opcode::TupleFromMark => {
                let start = self.mark()?;
                self.tuple(start);
            }
            Opcode::Global => {
                let names = [self.cursor.line().ok_or(END)?, self.cursor.line().ok_or(END)?];
                self.global(names)?;
            }
            Opcode::StackGlobal => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return Err("a class has no name");
                };
                self.global([module, name])?;
            }
            Opcode::Reduce => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let result = self.call(function, arguments)?;
                self.stack.push(result);
            }
            Opcode::NewObject(arguments) => {
                for _ in 0..arguments {
                    self.pop()?;
                }
                let class = self.pop()?;
                self.stack.push(instance(class));
            }
            Opcode::Build => {
                let state = self.pop()?;
                if let Some(Value::Array(index)) = self.stack.last() {
                    array::describe(&mut self.document, *index, state)?;
                }
            }
            Opcode::PersistentId => {
                let Value::Tuple(description) = self.pop()? else {
                    return Err("it refers to something outside that is no storage");
                };
                let mut parts = [Value::Opaque; 5];
                let given = description.of(&self.document.parts);
                if given.len() != parts.len() {
                    return Err("a storage is not described as torch.save does it");
                }
                parts.copy_from_slice(given);
                if matches!(parts[2], Value::Text(key) if key.length > LONGEST_NAME) {
                    return Err("a storage has an endless name");
                }
                let storage = rebuild::storage(&mut self.document, &parts, self.entry)?;
                self.stack.push(storage);
            }
            Opcode::Put(width) => {
                let number = self.cursor.length(width).ok_or(END)?;
                self.remember(number)?;
            }
            Opcode::Memoize => self.remember(self.memo.len())?,
            Opcode::Get(width) => {
                let number = self.cursor.length(width).ok_or(END)?;
                let value = self.memo.get(number).ok_or("it refers to what it has not yet described")?;
                self.stack.push(*value);
            }
            Opcode::Mark => self.marks.push(self.stack.len()),
            Opcode::Pop => {
                self.pop()?;
            }
            Opcode::PopMark => self.drop_to_mark()?,
            Opcode::Duplicate => {
                let last = *self.stack.last().ok_or("the stack is empty")?;
                self.stack.push(last);
            }
            Opcode::Stop => {
                self.document.root = self.pop()?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn pop(&mut self) -> Result<Value, &'static str> {
        self.stack.pop().ok_or("the stack is empty")
    }

    /// The height of the stack at the last mark, which is taken away.
    fn mark(&mut self) -> Result<usize, &'static str> {
        let mark = self.marks.pop().ok_or("there is no mark")?;
        if mark <= self.stack.len() { Ok(mark) } else { Err("a mark lies above the stack") }
    }

    fn drop_to_mark(&mut self) -> Result<(), &'static str> {
        let mark = self.mark()?;
        self.stack.truncate(mark);
        Ok(())
    }

    /// Bytes behind their length, which takes `width` bytes.
    fn counted(&mut self, width: u8) -> Result<Span, &'static str> {
        let length = self.cursor.length(width).ok_or(END)?;
        self.cursor.take(length).ok_or(END)
    }

    fn global(&mut self, names: [Span; 2]) -> Result<(), &'static str> {
        if names.iter().any(|name| name.length > LONGEST_NAME) {
            return Err("a class has an endless name");
        }
        self.document.globals.push(names);
        self.stack.push(Value::Global(self.document.globals.len() as u32 - 1));
        Ok(())
    }

    fn tuple(&mut self, start: usize) {
        let span =
            Span { start: self.document.parts.len() as u32, length: (self.stack.len() - start) as u32 };
        self.document.parts.extend(self.stack.drain(start..));
        self.stack.push(Value::Tuple(span));
    }

    /// A new dictionary.
    fn dictionary(&mut self) -> Result<Value, &'static str> {
        let new = Value::Dict(self.dictionaries);
        self.dictionaries = self.dictionaries.checked_add(1).ok_or("there are too many dictionaries")?;
        Ok(new)
    }

    /// A new list.
    fn list(&mut self) -> Result<Value> {
        if self.document.known == Known::Torch {
            return Ok(Value::Opaque);
        }
        let new = Value::List(self.lists);
        self.lists = self.lists.checked_add(1).ok_or("there are too many lists")?;
        Ok(new)
    }

    /// Adds what lies from `start` on to the list below.
    fn append(&mut self, start: usize) -> Result<()> {
        if let Some(Value::List(list)) = start.checked_sub(1).and_then(|below| self.stack.get(below)).copied()
        {
            let items = self.stack.get(start..).unwrap_or_default();
            self.document.elements.extend(items.iter().map(|item| (list, *item)));
        }
        self.stack.truncate(start);
        Ok(())
    }

    /// Bytes, where they are of any use.
    fn bytes(&self, bytes: Span) -> Value {
        if self.document.known == Known::Numpy { Value::Bytes(bytes) } else { Value::Opaque }
    }

    /// Adds the keys and values from `start` on to the dictionary below. Those whose keys are no
    /// names are of no use.
    fn add(&mut self, start: usize) -> Result<(), &'static str> {
        let target = start.checked_sub(1).and_then(|below| self.stack.get(below));
        let target = *target.ok_or("there is no dictionary to add to")?;
        let items = self.stack.get(start..).unwrap_or_default();
        if !items.len().is_multiple_of(2) {
            return Err("a key has no value");
        }
        if let Value::Dict(dictionary) = target {
            let row = |pair: &[Value]| match *pair {
                [Value::Text(key) | Value::Bytes(key) | Value::Latin1(key), value]
                    if key.length <= LONGEST_NAME =>
                {
                    Some(Row { dictionary, key, value })
                }
                _ => None,
            };
            self.document.rows.extend(items.chunks_exact(2).filter_map(row));
        }
        self.stack.truncate(start);
        Ok(())
    }

    fn remember(&mut self, number: usize) -> Result<(), &'static str> {
        let value = *self.stack.last().ok_or("the stack is empty")?;
        // Python numbers what it remembers one after the other, `cPickle` of Python 2 from 1 on.
        if self.memo.is_empty() && number == 1 {
            self.memo.push(Value::Opaque);
        }
        if number == self.memo.len() {
            self.memo.push(value);
        } else {
            *self.memo.get_mut(number).ok_or("it leaves out a number of what it remembers")? = value;
        }
        Ok(())
    }

    /// The result of a function that is known; nothing is called.
    fn call(&mut self, function: Value, arguments: Value) -> Result<Value, &'static str> {
        let Value::Tuple(span) = arguments else { return Err("a function has no arguments") };
        let given = span.of(&self.document.parts);
        match (self.function(function), given) {
            (Some(Function::FromType), &[inner, _, Value::Tuple(arguments), ..])
                if self.function(inner) != Some(Function::FromType) =>
            {
                self.call(inner, Value::Tuple(arguments))
            }
            (Some(Function::Tensor), _) => rebuild::tensor(&mut self.document, span),
            (Some(Function::Parameter), &[tensor @ (Value::Tensor(_) | Value::Object(_)), ..]) => Ok(tensor),
            (Some(Function::Array), _) => Ok(array::new(&mut self.document)),
            (Some(Function::FromBuffer), given) => {
                let given = given.to_vec();
                array::from_buffer(&mut self.document, &given)
            }
            (Some(Function::Encode), &[Value::Text(text), Value::Text(encoding)])
                if encoding.of(self.document.pickle) == b"latin1" =>
            {
                Ok(Value::Latin1(text))
            }
            (Some(Function::ElementType), &[name @ (Value::Text(_) | Value::Bytes(_)), ..]) => Ok(name),
            (Some(Function::OrderedDict), []) | (Some(Function::DefaultDict), [_]) => self.dictionary(),
            _ => Ok(instance(function)),
        }
    }

    fn function(&self, value: Value) -> Option<Function> {
        let Value::Global(global) = value else { return None };
        let [module, name] = self.document.global(global);
        Function::of(self.document.known, module, name)
    }
}

/// What a class or function that is not known makes.
fn instance(class: Value) -> Value {
    match class {
        Value::Global(class) | Value::Object(class) => Value::Object(class),
        _ => Value::Opaque,
    }
}
