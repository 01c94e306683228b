//! The desk, from which stations are provisioned afar: so far, what it knows of stations.
//!
//! Lists of stations are read, codes are made and judged, and the cost of guessing them is counted. Nothing is served yet.

pub mod stations;
