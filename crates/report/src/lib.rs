//! Figures and the self-contained HTML page of an experiment's results
pub mod data; pub mod draw; pub mod figure; pub mod figures; mod notes; #[cfg(test)] mod sample;
pub use notes::{Note,Notes,RunNotes}; pub use draw::labels::significant;
