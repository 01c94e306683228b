//! What scripts may do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A scope as a type: what asks for it cannot be reached without it.
pub(crate) trait Scoped: Send + Sync + 'static {
    /// Which.
    const SCOPE: Scope;
}

macro_rules! scopes {
    ($($variant:ident = $name:literal, $what:literal;)+) => {
        /// What a script may do. None contains another.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Scope {
            $(#[doc = $what] #[serde(rename = $name)] $variant,)+
        }

        impl Scope {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it allows, for people.
            pub const fn describe(self) -> &'static str {
                match self { $(Self::$variant => $what,)+ }
            }

            /// The one with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|scope| scope.as_str() == name)
            }
        }

        /// Each scope as a type.
        pub(crate) mod only {
            $(
                #[doc = $what]
                pub(crate) struct $variant;

                impl super::Scoped for $variant {
                    const SCOPE: super::Scope = super::Scope::$variant;
                }
            )+
        }
    };
}

scopes! {
    StationsRead = "stations:read", "List stations, and see how each stands";
    StationsWrite = "stations:write", "Register, sign in, sign out, move, revoke and remove stations, also by login codes";
    CodesMake = "codes:make", "Make and revoke verification codes, with which stations are let in";
    OrdersRead = "orders:read", "List orders, and read how they stand, line by line";
    OrdersWrite = "orders:write", "Give, redirect, retry and cancel orders, and settle what does not fit";
    ExportWrite = "export:write", "Take the seeds of an order's tokens away, for the identity provider, for a reason";
    TokensRead = "tokens:read", "Find hardware tokens by user and serial number, and read what happened to them";
    CodesGive = "codes:give", "Get codes of a user's token, for a reason and a ticket";
    CodesCompare = "codes:compare", "Compare codes that somebody reads out: drift, explanations, whose token it is";
    AuditRead = "audit:read", "Read and verify the audit trail, and take checkpoints";
    PeopleRead = "people:read", "List who has an account at the desk";
    PeopleWrite = "people:write", "Invite, reset, disable and change people who are no admins: whoever has it can become each of them";
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_ones_that_are_kept() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
            assert_eq!(Scope::from_name(scope.as_str()), Some(*scope));
            assert!(!scope.describe().is_empty());
        }
        assert_eq!(Scope::from_name("admin"), None);
    }
}
