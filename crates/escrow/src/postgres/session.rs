//! One connection: statements that are prepared once, and transactions that end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use postgres::types::ToSql;
use postgres::{Client, Row, Statement};

use super::fault::{Fault, Trouble};
use crate::EscrowError;

/// Statements that are kept; lists with their conditions put together are many.
const MAX_STATEMENTS: usize = 200;

pub(super) type Param<'a> = &'a (dyn ToSql + Sync);

/// A connection.
pub(super) struct Session {
    client: RefCell<Client>,
    statements: RefCell<HashMap<String, Statement>>,
    /// What the first error of the transaction was.
    trouble: Cell<Option<Trouble>>,
    pub(super) fault: Fault,
    pub(super) backend: Backend,
}

/// What tells a connection's process on the server from every other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pid: i32,
    pub(super) started: String,
}

impl Session {
    pub(super) fn new(client: Client, fault: Fault) -> Self {
        Self {
            client: RefCell::new(client),
            statements: RefCell::default(),
            trouble: Cell::new(None),
            fault,
            backend: Backend::default(),
        }
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.get()
    }

    pub(super) fn forget_trouble(&self) {
        self.trouble.set(None);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.borrow().is_closed()
    }

    fn failed(&self, error: postgres::Error) -> EscrowError {
        if self.trouble.get().is_none() {
            self.trouble.set(Some(Trouble::of(&error)));
        }
        self.fault.of(error)
    }

    fn statement(&self, sql: &str) -> Result<Statement, EscrowError> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.borrow_mut().prepare(sql).map_err(|error| self.failed(error))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= MAX_STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(super) fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, EscrowError> {
        let statement = self.statement(sql)?;
        self.client.borrow_mut().query(&statement, params).map_err(|error| self.failed(error))
    }

    /// The only row, or the first.
    pub(super) fn row(&self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>, EscrowError> {
        Ok(self.query(sql, params)?.into_iter().next())
    }

    /// How many rows a statement changed.
    pub(super) fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, EscrowError> {
        let statement = self.statement(sql)?;
        self.client.borrow_mut().execute(&statement, params).map_err(|error| self.failed(error))
    }

    /// Several statements without values.
    pub(super) fn batch(&self, sql: &str) -> Result<(), EscrowError> {
        self.client.borrow_mut().batch_execute(sql).map_err(|error| self.failed(error))
    }

    /// A value of a row; one of another type was not written by us.
    pub(super) fn value<'r, T: postgres::types::FromSql<'r>>(
        &self,
        row: &'r Row,
        index: usize,
    ) -> Result<T, EscrowError> {
        row.try_get(index).map_err(|error| self.fault.of(error))
    }

    /// Begins a transaction, which is rolled back when it goes out of sight.
    pub(super) fn begin(&self, sql: &str) -> Result<Transaction<'_>, EscrowError> {
        self.trouble.set(None);
        self.batch(sql)?;
        Ok(Transaction { session: self, open: true })
    }
}

/// A transaction that was begun.
pub(super) struct Transaction<'a> {
    session: &'a Session,
    open: bool,
}

impl Transaction<'_> {
    /// Ends it. One in which a statement failed writes nothing, whoever overlooked that.
    pub(super) fn commit(mut self) -> Result<(), EscrowError> {
        if self.session.trouble().is_some() {
            return Err(self.session.fault.corrupt("a statement failed in a transaction that was to be committed"));
        }
        self.open = false;
        let result = self.session.batch("COMMIT");
        if result.is_err() {
            // What the server refused it has rolled back.
            self.open = false;
        }
        result
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open && !self.session.is_closed() {
            // Where this fails the connection is gone, and the transaction with it.
            let _ = self.session.client.borrow_mut().batch_execute("ROLLBACK");
        }
    }
}
