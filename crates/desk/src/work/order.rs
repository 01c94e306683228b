//! Orders: giving one, who may work on it, and its end.

use std::collections::BTreeMap;

use oathburn_escrow::{Batch, BatchId, Deed, EscrowError, NewBatch, NewLine};
use oathburn_oath::{Clock, Seed, UnixTime};
use oathburn_station::{BatchOptions, Models, PlanProblem, Station, StationError};
use serde::{Deserialize, Serialize};

use super::Worker;
use crate::table::{Next, Stored};
use crate::{Desk, DeskError, desk};

/// What marks a batch that is worked on far away.
const MARK: &str = "desk";
/// What names the request that an order was given for.
const REQUEST: &str = "request";

/// Who may work on an order: everybody who is named, wherever; whoever is at a place that is named; and where nothing is
/// named, every station that is signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// MAC IDs of stations.
    pub stations: Vec<String>,
    /// Locations.
    pub locations: Vec<String>,
}

impl Audience {
    /// Whether this station may work on it.
    pub fn has(&self, worker: &Worker) -> bool {
        (self.stations.is_empty() && self.locations.is_empty())
            || self.stations.contains(&worker.station)
            || self.locations.contains(&worker.location)
    }

    /// For people.
    pub fn describe(&self) -> String {
        match [self.locations.as_slice(), self.stations.as_slice()].concat() {
            none if none.is_empty() => "every station".into(),
            named => named.join(", "),
        }
    }
}

/// An order to be.
pub struct NewOrder<'a> {
    /// What people call it: the name of the list.
    pub name: &'a str,
    /// Who may work on it.
    pub audience: Audience,
    /// How it is burned.
    pub options: BatchOptions,
    /// Its lines; a seed is made for each that prescribes none.
    pub lines: Vec<NewLine>,
}

/// An order as it stands.
#[derive(Clone, Debug)]
pub struct Order {
    /// The batch.
    pub batch: Batch,
    /// Who may work on it; nothing where that was never noted.
    pub audience: Option<Audience>,
    /// Who gave it.
    pub by: String,
    /// The lines that name a token.
    pub(crate) named: BTreeMap<String, u32>,
}

impl Order {
    /// Whether this station may work on it.
    pub fn is_for(&self, worker: &Worker) -> bool {
        self.audience.as_ref().is_some_and(|audience| audience.has(worker))
    }

    /// How it is burned.
    pub fn options(&self) -> BatchOptions {
        BatchOptions::from_facts(&self.batch.options)
    }
}

/// What the desk keeps of an order beside its batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Given {
    audience: Audience,
    by: String,
    named: BTreeMap<String, u32>,
}

impl Stored for Given {
    const KIND: &'static str = "order";
}

impl Desk {
    /// Everything that is wrong with the lines of an order that is to be, in order.
    pub fn check_order(
        &self,
        lines: &[NewLine],
        options: &BatchOptions,
        models: &Models,
    ) -> Result<Vec<PlanProblem>, DeskError> {
        let clock: &dyn Clock = &*self.clock;
        let station = Station { escrow: &self.escrow, officer: None, models, clock };
        station.check_lines(lines, options).map_err(|error| match error {
            StationError::Escrow(error) => error.into(),
            other => DeskError::Order(Box::new(other)),
        })
    }

    /// Gives an order: its seeds are made and sealed, its lines are signed. From then on there are codes for each of its
    /// users, and stations may lease its lines.
    pub fn give_order(&self, person: &str, new: NewOrder<'_>) -> Result<BatchId, DeskError> {
        self.give_order_for(person, new, None)
    }

    /// The same; where it is known by `request`, [`Self::order_for`] finds it, whatever happened to whoever asked.
    pub(crate) fn give_order_for(
        &self,
        person: &str,
        mut new: NewOrder<'_>,
        request: Option<&str>,
    ) -> Result<BatchId, DeskError> {
        for line in new.lines.iter_mut().filter(|line| line.seed.is_none()) {
            let len = new.options.seed_len_for(line.params.algorithm);
            line.seed = Some(Seed::generate(len).map_err(|_| EscrowError::Random)?);
        }
        let named = new
            .lines
            .iter()
            .zip(1..)
            .filter_map(|(line, number)| line.serial.as_ref().map(|serial| (serial.to_string(), number)));
        let given = Given { named: named.collect(), audience: new.audience, by: person.into() };
        let options = new.options.to_facts().with(MARK, 1).with_some(REQUEST, request);
        let batch = NewBatch { name: new.name, options, lines: &new.lines };
        let id = self.escrow.acting_for(person).create_batch(&batch)?;
        let about = deed_on(person, "order-given", id);
        let about = Deed { facts: about.facts.with("audience", short(&given.audience.describe())), ..about };
        self.update_noted(id.as_bytes(), |_: Option<&Given>| Ok((Next::Put(given.clone()), about.clone(), ())))?;
        Ok(id)
    }

    /// Says anew who may work on an order. Stations that hold lines of it and may not any more are told so.
    pub fn redirect_order(&self, person: &str, id: BatchId, audience: &Audience) -> Result<(), DeskError> {
        let order = self.order(id)?;
        let about = deed_on(person, "order-redirected", id);
        let about = Deed { facts: about.facts.with("audience", short(&audience.describe())), ..about };
        self.update_noted(id.as_bytes(), |given: Option<&Given>| {
            let given = Given {
                audience: audience.clone(),
                by: given.map_or_else(|| person.to_owned(), |given| given.by.clone()),
                named: given.map_or_else(|| order.named.clone(), |given| given.named.clone()),
            };
            Ok((Next::Put(given), about.clone(), ()))
        })
    }

    /// Ends an order. Lines that were left are not burned any more; stations that hold some are told when they ask.
    pub fn cancel_order(&self, person: &str, id: BatchId, reason: Option<&str>) -> Result<(), DeskError> {
        self.order(id)?;
        Ok(self.escrow.acting_for(person).cancel_batch(id, reason)?)
    }

    /// Takes the failed lines of an order up again; says how many there were.
    pub fn retry_order(&self, person: &str, id: BatchId) -> Result<u64, DeskError> {
        self.order(id)?;
        Ok(self.escrow.acting_for(person).reopen_failed(id)?)
    }

    /// An order.
    pub fn order(&self, id: BatchId) -> Result<Order, DeskError> {
        let batch = self.escrow.batch(&id.to_string())?;
        self.as_order(batch)?.ok_or_else(|| EscrowError::BatchUnknown { text: id.to_string() }.into())
    }

    /// The order that was given for a request.
    pub(crate) fn order_for(&self, request: &str) -> Result<Option<Order>, DeskError> {
        Ok(self.orders()?.into_iter().find(|order| order.batch.options.text(REQUEST) == Some(request)))
    }

    /// All orders, oldest first.
    pub fn orders(&self) -> Result<Vec<Order>, DeskError> {
        self.escrow.batches()?.into_iter().filter_map(|batch| self.as_order(batch).transpose()).collect()
    }

    /// The batch as an order, if it is one.
    fn as_order(&self, batch: Batch) -> Result<Option<Order>, DeskError> {
        if batch.options.number(MARK) != Some(1) {
            return Ok(None);
        }
        let given = self.get::<Given>(batch.id.as_bytes())?.map(|kept| kept.value);
        Ok(Some(match given {
            Some(given) => Order { batch, audience: Some(given.audience), by: given.by, named: given.named },
            None => Order { batch, audience: None, by: String::new(), named: BTreeMap::new() },
        }))
    }

    /// When leases that are taken now end for whoever else asks.
    pub(crate) fn lease_end(&self) -> UnixTime {
        let terms = self.settings().leases;
        self.now().offset(i64::try_from(terms.seconds.saturating_add(terms.grace)).unwrap_or(i64::MAX))
    }
}

/// What somebody does with an order.
pub(crate) fn deed_on(person: &str, what: &str, order: BatchId) -> Deed {
    let about = desk::deed(person, what);
    Deed { facts: about.facts.with("batch", order.to_string()), ..about }
}

/// What fits into an event.
fn short(text: &str) -> String {
    text.chars().take(1000).collect()
}
