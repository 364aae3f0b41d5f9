//! Walking a JSON value while knowing where one stands, and noting everything that is wrong on the way.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::fault::shortened;
use super::intern::Pools;
use crate::base::time::{Span, Timestamp};
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::resources::{Name, ResourceList};

/// A fault of the object at hand, not yet with its source and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) path: String,
    pub(super) found: String,
    pub(super) accepted: String,
}

/// What all cursors of a reader write to.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) pools: RefCell<Pools>,
    pub(super) drafts: RefCell<Vec<Draft>>,
    pub(super) unknown: RefCell<BTreeMap<String, u64>>,
    pub(super) newest: Cell<Option<Timestamp>>,
}

impl Context {
    /// More drafts than this are of no use to anyone and could fill memory.
    const MOST_DRAFTS: usize = 10_000;

    pub(super) fn name(&self, text: &str) -> Name {
        self.pools.borrow_mut().names.text(text)
    }

    /// Notes that `time` was found in the input (M-17).
    pub(super) fn note_time(&self, time: Timestamp) {
        self.newest.set(self.newest.get().max(Some(time)));
    }

    pub(super) fn take_drafts(&self) -> Vec<Draft> {
        std::mem::take(&mut self.drafts.borrow_mut())
    }

    fn draft(&self, draft: Draft) {
        let mut drafts = self.drafts.borrow_mut();
        if drafts.len() < Self::MOST_DRAFTS {
            drafts.push(draft);
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Root(&'p str),
    Field(&'p str),
    Key(&'p str),
    At(usize),
}

/// A place in a JSON value. Absent fields and `null` are the same place: an absent one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'v, 'p> {
    value: &'v Value,
    parent: Option<&'p Self>,
    step: Step<'p>,
    context: &'v Context,
}

static ABSENT: Value = Value::Null;

impl<'v, 'p> Cursor<'v, 'p> {
    /// The root of `value`; `prefix` is what paths start with.
    pub(super) fn new(value: &'v Value, prefix: &'p str, context: &'v Context) -> Self {
        Self {
            value,
            parent: None,
            step: Step::Root(prefix),
            context,
        }
    }

    pub(super) fn context(&self) -> &'v Context {
        self.context
    }

    pub(super) fn value(&self) -> &'v Value {
        self.value
    }

    /// The path of this place, such as `spec.taints[0].effect`.
    pub(super) fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(cursor) = at {
            steps.push(cursor.step);
            at = cursor.parent;
        }
        let mut path = String::new();
        for step in steps.into_iter().rev() {
            let dot = if path.is_empty() { "" } else { "." };
            let plain = |key: &str| {
                !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            };
            let written = match step {
                Step::Root(prefix) => write!(path, "{prefix}"),
                Step::Field(name) => write!(path, "{dot}{name}"),
                Step::Key(key) if plain(key) => write!(path, "{dot}{key}"),
                Step::Key(key) => write!(path, "[{}]", shortened(key)),
                Step::At(index) => write!(path, "[{index}]"),
            };
            debug_assert!(written.is_ok(), "writing to a string does not fail");
        }
        path
    }

    /// Notes that what stands here is wrong.
    pub(super) fn fault(&self, accepted: impl Into<String>) {
        let found = match self.value {
            Value::Null => "nothing".to_owned(),
            Value::Array(items) => format!("an array of {}", items.len()),
            Value::Object(_) => "an object".to_owned(),
            Value::String(text) => shortened(&format!("{text:?}")),
            Value::Bool(_) | Value::Number(_) => self.value.to_string(),
        };
        self.fault_found(found, accepted);
    }

    /// Notes that what stands here is wrong, with other words for what was found.
    pub(super) fn fault_found(&self, found: impl Into<String>, accepted: impl Into<String>) {
        self.context.draft(Draft {
            path: self.path(),
            found: found.into(),
            accepted: accepted.into(),
        });
    }

    pub(super) fn is_absent(&self) -> bool {
        self.value.is_null()
    }

    /// Notes a fault when nothing stands here.
    pub(super) fn fault_if_absent(&self, accepted: &str) {
        if self.is_absent() {
            self.fault(accepted);
        }
    }

    /// Whether an object stands here; a fault if something else does, not if nothing does.
    pub(super) fn is_object(&self) -> bool {
        match self.value {
            Value::Object(_) => true,
            Value::Null => false,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.fault("an object");
                false
            }
        }
    }

    /// The field `name` of the object here. Says nothing when this is no object: [`is_object`](Self::is_object) does.
    pub(super) fn field<'c>(&'c self, name: &'c str) -> Cursor<'v, 'c> {
        Cursor {
            value: self.value.get(name).unwrap_or(&ABSENT),
            parent: Some(self),
            step: Step::Field(name),
            context: self.context,
        }
    }

    /// As [`field`](Self::field), for a field that is an object: a fault if it is something else.
    pub(super) fn object<'c>(&'c self, name: &'c str) -> Cursor<'v, 'c> {
        let field = self.field(name);
        if !field.is_absent() {
            let _ = field.is_object();
        }
        field
    }

    /// The items of the array here; none and a fault when it is something else.
    pub(super) fn items<'c>(&'c self) -> impl Iterator<Item = Cursor<'v, 'c>> + 'c {
        let items: &'v [Value] = match self.value {
            Value::Array(items) => items,
            Value::Null => &[],
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                self.fault("an array");
                &[]
            }
        };
        items.iter().enumerate().map(move |(at, value)| Cursor {
            value,
            parent: Some(self),
            step: Step::At(at),
            context: self.context,
        })
    }

    /// Every item of the array here through `read`, those left out that could not be read.
    pub(super) fn list<T>(&self, mut read: impl FnMut(&Cursor<'v, '_>) -> Option<T>) -> Vec<T> {
        self.items().filter_map(|item| read(&item)).collect()
    }

    /// The entries of the map here.
    pub(super) fn entries<'c>(
        &'c self,
    ) -> impl Iterator<Item = (&'v str, Cursor<'v, 'c>)> + use<'v, 'c> {
        let entries = if self.is_object() {
            self.value.as_object()
        } else {
            None
        };
        entries.into_iter().flatten().map(move |(key, value)| {
            let cursor = Cursor {
                value,
                parent: Some(self),
                step: Step::Key(key),
                context: self.context,
            };
            (key.as_str(), cursor)
        })
    }

    /// Counts the fields of the object here that are not among `known`.
    pub(super) fn count_unknown(&self, what: &str, known: &[&str]) {
        let Value::Object(fields) = self.value else {
            return;
        };
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            let mut unknown = self.context.unknown.borrow_mut();
            let name = format!("{what}{}", shortened(key));
            if unknown.len() < 1_000 || unknown.contains_key(&name) {
                *unknown.entry(name).or_insert(0) += 1;
            }
        }
    }

    pub(super) fn text(&self) -> Option<&'v str> {
        match self.value {
            Value::String(text) => Some(text),
            Value::Null => None,
            Value::Bool(_) | Value::Number(_) => {
                self.fault("a string: quote it");
                None
            }
            Value::Array(_) | Value::Object(_) => {
                self.fault("a string");
                None
            }
        }
    }

    /// The shared text here.
    pub(super) fn name(&self) -> Option<Name> {
        self.text().map(|text| self.context.name(text))
    }

    /// The shared text here, `None` also when it is empty.
    pub(super) fn filled(&self) -> Option<Name> {
        self.text()
            .filter(|text| !text.is_empty())
            .map(|text| self.context.name(text))
    }

    /// The shared text here, empty when absent.
    pub(super) fn name_or_empty(&self) -> Name {
        self.context.name(self.text().unwrap_or(""))
    }

    /// The text here; a fault when it is absent or empty.
    pub(super) fn required(&self, what: &str) -> Option<Name> {
        match self.value {
            Value::Null => {
                self.fault(what);
                None
            }
            Value::String(text) if text.is_empty() => {
                self.fault(what);
                None
            }
            Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => self.name(),
        }
    }

    /// All texts of the array here.
    pub(super) fn names(&self) -> Vec<Name> {
        self.list(|item| {
            if item.is_absent() {
                item.fault("a string");
            }
            item.name()
        })
    }

    pub(super) fn bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(yes) => Some(*yes),
            Value::Null => None,
            Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                self.fault("true or false");
                None
            }
        }
    }

    pub(super) fn flag(&self) -> bool {
        self.bool().unwrap_or(false)
    }

    /// The whole number here, within `range`.
    pub(super) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        if self.is_absent() {
            return None;
        }
        let number = self.value.as_i64().filter(|number| range.contains(number));
        if number.is_none() {
            self.fault(range_text(&range));
        }
        number
    }

    /// The whole number here, from `least` to what 32 bits without a sign hold.
    pub(super) fn count(&self, least: u32) -> Option<u32> {
        let number = self.integer(i64::from(least)..=i64::from(u32::MAX))?;
        u32::try_from(number).ok()
    }

    /// The whole number of 32 bits with a sign here.
    pub(super) fn int32(&self) -> Option<i32> {
        let number = self.integer(i64::from(i32::MIN)..=i64::from(i32::MAX))?;
        i32::try_from(number).ok()
    }

    /// The one of `choices` whose text stands here.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let chosen = choices.iter().find(|(name, _)| *name == text);
        if chosen.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.fault(one_of(&names));
        }
        chosen.map(|(_, value)| *value)
    }

    pub(super) fn quantity(&self) -> Option<Quantity> {
        let read = match self.value {
            Value::Null => return None,
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.to_string().parse().ok(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        if read.is_none() {
            self.fault("a quantity such as 500m, 2 or 1Gi");
        }
        read
    }

    /// The quantities by resource name here, none of which may be negative.
    pub(super) fn resources(&self) -> ResourceList {
        let mut list = ResourceList::new();
        for (name, amount) in self.entries() {
            match amount.quantity() {
                Some(quantity) if quantity.is_negative() => {
                    amount.fault("a quantity of 0 or more");
                }
                Some(quantity) => list.set_shared(self.context.name(name), quantity),
                None if amount.is_absent() => amount.fault("a quantity such as 500m, 2 or 1Gi"),
                None => {}
            }
        }
        list
    }

    pub(super) fn time(&self) -> Option<Timestamp> {
        let text = self.text()?;
        let time = text.parse().ok();
        match time {
            Some(time) => self.context.note_time(time),
            None => self.fault("an RFC 3339 time such as 2026-01-01T00:00:00Z"),
        }
        time
    }

    /// The duration here, 0 or more.
    pub(super) fn span(&self) -> Option<Span> {
        let text = self.text()?;
        let span: Option<Span> = text.parse().ok().filter(|span| *span >= Span::ZERO);
        if span.is_none() {
            self.fault("a Go duration of 0 or more such as 30s, 5m or 1h30m");
        }
        span
    }

    /// The duration here, `default` when absent; `Never` is no duration.
    pub(super) fn span_or_never(&self, default: Option<Span>) -> Option<Span> {
        match self.value {
            Value::Null => default,
            Value::String(text) if text == "Never" => None,
            Value::String(text) => {
                let span: Option<Span> = text.parse().ok().filter(|span| *span >= Span::ZERO);
                if span.is_none() {
                    self.fault("a Go duration of 0 or more such as 30s, 5m or 1h30m, or Never");
                }
                span
            }
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.fault("a Go duration such as 30s, 5m or 1h30m, or Never");
                None
            }
        }
    }

    /// The price here, 0 or more.
    pub(super) fn price(&self) -> Option<Price> {
        let read = match self.value {
            Value::Null => return None,
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.to_string().parse().ok(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let price: Option<Price> = read.filter(|price| *price >= Price::ZERO);
        if price.is_none() {
            self.fault("a price in dollars, 0 or more, such as 7.09, or null when it is unknown");
        }
        price
    }
}

/// `a, b or c`.
pub(super) fn one_of(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn range_text(range: &RangeInclusive<i64>) -> String {
    let (low, high) = (*range.start(), *range.end());
    if high >= i64::from(u32::MAX) {
        format!("a whole number of {low} or more")
    } else {
        format!("a whole number from {low} to {high}")
    }
}
