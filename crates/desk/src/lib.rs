//! The desk: stations provisioned from afar, and pages for the helpdesk.

pub mod stations;
