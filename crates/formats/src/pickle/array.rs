//! NumPy's arrays: an empty array first, which is then given its shape, type, order and bytes.

use std::borrow::Cow;

use super::{
    document::Document,
    value::{Span, Value},
};

/// An array of a pickle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array<'a> {
    /// The lengths along each axis.
    pub shape: Vec<usize>,
    /// NumPy's name of the elements' type, as in "u1", "i8" or "f4".
    pub element: &'a str,
    /// The elements, last axis fastest; nothing is promised of their number.
    pub bytes: Cow<'a, [u8]>,
}

/// What is known of an array; `None` before it is described.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArrayRecord(Option<Description>);

#[derive(Debug, Clone, Copy)]
struct Description {
    shape: Span,
    element: Span,
    bytes: Value,
}

const OTHER: &str = "an array is not described as NumPy does it";
const ORDER: &str = "an array's first axis is its fastest, or its elements are objects";

/// An array that is not yet described.
pub(super) fn new(document: &mut Document) -> Value {
    document.arrays.push(ArrayRecord(None));
    Value::Array(document.arrays.len() as u32 - 1)
}

/// Describes an array by its state (version, shape, element type, whether the first axis is
/// fastest, bytes).
pub(super) fn describe(document: &mut Document, index: u32, state: Value) -> Result<(), &'static str> {
    let Value::Tuple(state) = state else { return Err(OTHER) };
    let description = match *state.of(&document.parts) {
        [_, shape, element, Value::Int(0), bytes] => Description::new(shape, element, bytes)?,
        [_, _, _, Value::Int(_), _] => return Err(ORDER),
        _ => return Err(OTHER),
    };
    let record = document.arrays.get_mut(index as usize).ok_or("there is no such array")?;
    *record = ArrayRecord(Some(description));
    Ok(())
}

/// An array from (bytes, element type, shape, order).
pub(super) fn from_buffer(document: &mut Document, arguments: &[Value]) -> Result<Value, &'static str> {
    let &[bytes, element, shape, Value::Text(order)] = arguments else { return Err(OTHER) };
    if order.of(document.pickle) != b"C" {
        return Err(ORDER);
    }
    document.arrays.push(ArrayRecord(Some(Description::new(shape, element, bytes)?)));
    Ok(Value::Array(document.arrays.len() as u32 - 1))
}

impl Description {
    fn new(shape: Value, element: Value, bytes: Value) -> Result<Self, &'static str> {
        match (shape, element, bytes) {
            (
                Value::Tuple(shape),
                Value::Text(element) | Value::Bytes(element),
                Value::Text(_) | Value::Bytes(_) | Value::Latin1(_),
            ) => Ok(Self { shape, element, bytes }),
            _ => Err(OTHER),
        }
    }
}

impl ArrayRecord {
    pub(super) fn array<'a>(&self, document: &Document<'a>) -> Option<Array<'a>> {
        let Description { shape, element, bytes } = self.0?;
        let axis = |value: &Value| match *value {
            Value::Int(length) => usize::try_from(length).ok(),
            _ => None,
        };
        let shape = shape.of(&document.parts).iter().map(axis).collect::<Option<_>>()?;
        let bytes = match bytes {
            Value::Text(span) | Value::Bytes(span) => Cow::Borrowed(span.of(document.pickle)),
            Value::Latin1(span) => {
                let characters = document.text(span).chars();
                Cow::Owned(characters.map(|c| u8::try_from(c).ok()).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        Some(Array { shape, element: document.text(element), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Array, Known, Limits, Trouble, Value, run};

    /// As `cPickle` of Python 2 writes an array of two rows; `order` is `\x89` for C and `\x88` for
    /// Fortran.
    fn pickle(order: &[u8], tail: &[u8]) -> Vec<u8> {
        let parts: [&[u8]; 5] = [
            b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05",
            b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            order,
            b"U\x06\x00\x01\x02\xfd\xfe\xfftb",
            tail,
        ];
        parts.concat()
    }

    const LABELS: &[u8] =
        b"U\x06labelsq\x08]q\x09(K\x06M\x00\x01eU\x05fewer]q\x0aK\x07aU\x04sameh\x09K\x09au.";
    const LIMITS: Limits = Limits { memory: 4096 };

    #[test]
    fn arrays_and_lists_are_read() {
        let file = pickle(b"\x89", LABELS);
        let document = run(&file, Known::Numpy, LIMITS, &|_| None).unwrap();
        let get = |key| document.get(document.root(), key).unwrap();
        let bytes: &[u8] = &[0, 1, 2, 253, 254, 255];
        assert_eq!(
            document.array(get("data")),
            Some(Array { shape: vec![2, 3], element: "u1", bytes: bytes.into() })
        );
        let list = |key| document.elements(get(key)).unwrap().collect::<Vec<_>>();
        // What is added to a list where it is referred to belongs to it.
        assert_eq!(list("labels"), [6, 256, 9].map(Value::Int));
        assert_eq!((list("fewer"), list("same")), (vec![Value::Int(7)], list("labels")));
        assert!(document.elements(get("data")).is_none() && document.array(document.root()).is_none());
    }

    #[test]
    fn another_order_is_refused() {
        let file = pickle(b"\x88", b"u.");
        let trouble = run(&file, Known::Numpy, LIMITS, &|_| None).map(|_| ()).unwrap_err();
        assert!(
            matches!(trouble, Trouble::Instruction(problem, _) if problem.contains("fastest")),
            "{trouble:?}"
        );
    }

    #[test]
    fn a_state_dict_needs_neither() {
        let file = pickle(b"\x88", b"u.");
        let document = run(&file, Known::Torch, LIMITS, &|_| None).unwrap();
        let data = document.get(document.root(), "data").unwrap();
        assert!(document.array(data).is_none());
        assert_eq!(document.describe(data), "an object of numpy.core.multiarray._reconstruct");
    }

    #[test]
    fn what_is_described_is_bounded() {
        let many = [&b"\x80\x02]("[..], &b"K\x01".repeat(1000), b"e."].concat();
        assert_eq!(run(&many, Known::Numpy, LIMITS, &|_| None).map(|_| ()), Err(Trouble::TooMuch));
    }

    /// Written by Python 3 with `generate_arrays.py` beside the files: {b"data": uint8 [2, 3],
    /// b"labels": [6, 256]}.
    #[test]
    fn every_protocol_is_read() {
        let files: [&[u8]; 4] = [
            include_bytes!("arrays/protocol2.pkl"),
            include_bytes!("arrays/protocol3.pkl"),
            include_bytes!("arrays/protocol4.pkl"),
            include_bytes!("arrays/protocol5.pkl"),
        ];
        for (file, protocol) in files.into_iter().zip(2..) {
            let document = run(file, Known::Numpy, LIMITS, &|_| None).unwrap();
            let get = |key| document.get(document.root(), key).unwrap();
            let array = document.array(get("data")).unwrap_or_else(|| panic!("protocol {protocol}"));
            assert_eq!((&array.shape[..], array.element), (&[2, 3][..], "u1"), "protocol {protocol}");
            assert_eq!(*array.bytes, [0, 1, 2, 253, 254, 255], "protocol {protocol}");
            let labels: Vec<_> = document.elements(get("labels")).unwrap().collect();
            assert_eq!(labels, [6, 256].map(Value::Int));
        }
    }
}
