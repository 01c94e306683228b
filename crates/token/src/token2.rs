//! The tokens of Token2, made by Excelsecu.

mod molto;
#[cfg(test)]
mod molto_tests;
mod seal;
mod single;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transcripts;

pub use molto::Molto2;
pub use single::Token2Single;
pub(crate) use single::general_meaning;
