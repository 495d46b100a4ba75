//! The part of a text that a message shows.

use std::sync::Arc;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// The maximum number of bytes shown whole; of a longer excerpt only a part is shown.
const SHOWN: usize = 2000;
/// Bytes of a long line shown on either side of the underlined part.
const AROUND: usize = 60;

/// A text whose long lines are shown in part.
#[derive(Debug, Clone)]
pub struct Excerpt(pub Arc<str>);

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = &*self.0;
        let contents = text.read_span(span, before, after)?;
        if contents.data().len() <= SHOWN {
            return Ok(contents);
        }
        let own = text.read_span(span, 0, 0)?;
        let (start, end) = (span.offset(), span.offset() + span.len());
        let line = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let from = boundary(text, start.saturating_sub(AROUND).max(line));
        let to = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
        let to = boundary(text, to.min(end + AROUND));
        let shown = SourceSpan::from(from..to);
        let contents = MietteSpanContents::new(&text.as_bytes()[from..to], shown, own.line(), from - line, 1);
        Ok(Box::new(contents))
    }
}

/// The nearest character boundary at or before `place`.
pub fn boundary(text: &str, mut place: usize) -> usize {
    while !text.is_char_boundary(place) {
        place -= 1;
    }
    place
}

/// A message whose middle is left out if it is long.
pub fn shortened(message: String) -> String {
    const LONGEST: usize = 1600;
    const KEPT: usize = 600;
    if message.len() <= LONGEST {
        return message;
    }
    let (start, end) = (boundary(&message, KEPT), boundary(&message, message.len() - KEPT));
    format!("{} ... {}", &message[..start], &message[end..])
}
