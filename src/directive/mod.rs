//! What nginx knows of its directives: their names, places, arguments and values.
//!
//! Knows nothing of what a directive does. [`catalogue`] is the table, [`examine()`] says everything
//! that the table alone can say about one directive as written, [`values`] reads arguments as nginx
//! reads them.

pub mod catalogue;
pub mod context;
pub mod examine;
pub mod form;
pub mod fragment;
pub mod hints;
pub mod values;
pub mod variables;

pub use catalogue::{Edition, Row, Serve};
pub use context::Context;
pub use examine::{Known, Seen, examine};
pub use hints::Catalogue;
