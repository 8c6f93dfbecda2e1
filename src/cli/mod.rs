//! What the program can be asked to do: a file per subcommand.

pub mod check;
pub mod dump;
pub mod test;
