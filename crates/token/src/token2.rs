//! The tokens of Token2, made by Excelsecu.

mod seal;
mod single;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transcripts;

pub use single::Token2Single;
