//! Which calls go wrong, and how.
//!
//! A rule has a text form, `CALLS:FAULT[:WHEN]`, as taken by `--fault` and `POST /_demo/faults`:
//!
//! | part | forms |
//! | --- | --- |
//! | `CALLS` | `*`; a kind of call (`upload`, `attach`, `list`, `download`, `revise`, `token`, ...); `/path/prefix`; `METHOD /path/prefix` |
//! | `FAULT` | `503` (any status from 400 to 599), with `+retry-after=SECONDS`; `reset` (connection reset before the request is looked at); `cut` (reset when half of the request's body was read); `lost` (the call is done, then the connection is reset); `truncate` (half of the body, then the connection is reset); `drip` (the body in eight pieces, `drip=500ms` apart); `hang` (no answer until the client leaves); `delay=200ms`; `html` (a sign-in page with status 200); `bad-json` (cut off in the middle); `wrong-types` (numbers for texts, texts for lists...); `wrong-length` (a complete answer with half of the bytes); `endless` (every page names a next one); `cycle` (a folder is its own ancestor); `huge-names` (names of 100,000 characters) |
//! | `WHEN` | `always` (default); `nth=3` (only the third such call); `every=5` (the fifth, tenth, ...); `next=2` (the first two) |
//!
//! Examples: `upload:503:every=5`, `*:429+retry-after=2:next=3`, `PUT /v1/files/:lost:nth=1`, `list:delay=2s`.
//! Each rule counts the calls it covers; of the rules whose time has come, the first is applied.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::distort::Distortion;
use crate::error::{Error, ErrorKind};

/// Rules at a time; more means that a test forgets to clear.
const RULES_MAX: usize = 100;

/// The calls a rule covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Calls {
    All,
    Kind(String),
    Path { method: Option<String>, prefix: String },
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Status { status: u16, retry_after_s: Option<u64> },
    Reset,
    Cut,
    Lost,
    Truncate,
    Drip(Duration),
    Hang,
    Delay(Duration),
    Html,
    BadJson,
    WrongLength,
    Distorted(Distortion),
}

/// Which of the covered calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    Nth(u64),
    Every(u64),
    Next(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRule {
    pub calls: Calls,
    pub fault: Fault,
    pub when: When,
}

/// The rules in force. A handle that may be used while the server runs.
#[derive(Default)]
pub struct FaultRules {
    rules: Mutex<Vec<Counted>>,
}

struct Counted {
    rule: FaultRule,
    seen: u64,
}

impl FaultRules {
    /// Errors: `Invalid` when there are too many already.
    pub fn add(&self, rule: FaultRule) -> Result<(), Error> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.len() >= RULES_MAX {
            return Err(invalid(format!("more than {RULES_MAX} fault rules")));
        }
        rules.push(Counted { rule, seen: 0 });
        Ok(())
    }

    /// Adds a rule in its text form. Errors: `Invalid`.
    pub fn add_text(&self, text: &str) -> Result<(), Error> {
        self.add(text.parse()?)
    }

    pub fn clear(&self) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The rules in force, and how many calls each has covered.
    pub fn list(&self) -> Vec<(FaultRule, u64)> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter().map(|counted| (counted.rule.clone(), counted.seen)).collect()
    }

    /// Counts a call with every rule that covers it, and gives the fault to apply.
    pub(super) fn apply(&self, kind: &str, method: &str, path: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chosen = None;
        for counted in rules.iter_mut().filter(|counted| counted.rule.calls.cover(kind, method, path)) {
            counted.seen += 1;
            if chosen.is_none() && counted.rule.when.is_now(counted.seen) {
                chosen = Some(counted.rule.fault.clone());
            }
        }
        chosen
    }
}

impl Calls {
    fn cover(&self, kind: &str, method: &str, path: &str) -> bool {
        match self {
            Calls::All => true,
            Calls::Kind(wanted) => wanted == kind,
            Calls::Path { method: wanted, prefix } => {
                wanted.as_ref().is_none_or(|wanted| wanted == method) && path.starts_with(prefix)
            }
        }
    }
}

impl When {
    fn is_now(self, seen: u64) -> bool {
        match self {
            When::Always => true,
            When::Nth(n) => seen == n,
            When::Every(k) => seen.is_multiple_of(k),
            When::Next(n) => seen <= n,
        }
    }
}

impl FromStr for FaultRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.split(':');
        let (Some(calls), Some(fault)) = (parts.next(), parts.next()) else {
            return Err(invalid(format!("fault {text:?}: expected CALLS:FAULT[:WHEN]")));
        };
        let when = parts.next().map_or(Ok(When::Always), str::parse)?;
        if parts.next().is_some() {
            return Err(invalid(format!("fault {text:?}: more than three parts")));
        }
        Ok(FaultRule { calls: calls.parse()?, fault: fault.parse()?, when })
    }
}

impl FromStr for Calls {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once(' ') {
            Some((method, prefix)) if prefix.starts_with('/') => {
                Ok(Calls::Path { method: Some(method.to_owned()), prefix: prefix.to_owned() })
            }
            None if text == "*" => Ok(Calls::All),
            None if text.starts_with('/') => Ok(Calls::Path { method: None, prefix: text.to_owned() }),
            None if !text.is_empty() => Ok(Calls::Kind(text.to_owned())),
            _ => Err(invalid(format!("fault: {text:?} names no calls"))),
        }
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (word, value) = text.split_once('=').map_or((text, None), |(word, value)| (word, Some(value)));
        match (word, value) {
            ("reset", None) => Ok(Fault::Reset),
            ("cut", None) => Ok(Fault::Cut),
            ("lost", None) => Ok(Fault::Lost),
            ("truncate", None) => Ok(Fault::Truncate),
            ("drip", None) => Ok(Fault::Drip(Duration::from_millis(500))),
            ("drip", Some(pause)) => Ok(Fault::Drip(parse_duration(pause)?)),
            ("hang", None) => Ok(Fault::Hang),
            ("delay", Some(delay)) => Ok(Fault::Delay(parse_duration(delay)?)),
            ("html", None) => Ok(Fault::Html),
            ("bad-json", None) => Ok(Fault::BadJson),
            ("wrong-length", None) => Ok(Fault::WrongLength),
            ("wrong-types", None) => Ok(Fault::Distorted(Distortion::WrongTypes)),
            ("endless", None) => Ok(Fault::Distorted(Distortion::EndlessPaging)),
            ("cycle", None) => Ok(Fault::Distorted(Distortion::CyclicParents)),
            ("huge-names", None) => Ok(Fault::Distorted(Distortion::HugeNames)),
            _ => parse_status(text),
        }
    }
}

fn parse_status(text: &str) -> Result<Fault, Error> {
    let (status, extra) = text.split_once('+').map_or((text, None), |(status, extra)| (status, Some(extra)));
    let status = status.parse().ok().filter(|status| (400..600).contains(status));
    let status = status.ok_or_else(|| invalid(format!("unknown fault {text:?}")))?;
    let retry_after_s = match extra.map(|extra| extra.strip_prefix("retry-after=").and_then(|s| s.parse().ok())) {
        Some(None) => return Err(invalid(format!("fault {text:?}: expected +retry-after=SECONDS"))),
        Some(seconds) => seconds,
        None => None,
    };
    Ok(Fault::Status { status, retry_after_s })
}

impl FromStr for When {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (word, count) = text.split_once('=').map_or((text, None), |(word, count)| (word, count.parse().ok()));
        match (word, count) {
            ("always", None) => Ok(When::Always),
            ("nth", Some(n @ 1..)) => Ok(When::Nth(n)),
            ("every", Some(k @ 1..)) => Ok(When::Every(k)),
            ("next", Some(n @ 1..)) => Ok(When::Next(n)),
            _ => Err(invalid(format!("fault: {text:?} is none of always, nth=N, every=N, next=N"))),
        }
    }
}

/// `200ms`, `2s`; a bare number is milliseconds.
fn parse_duration(text: &str) -> Result<Duration, Error> {
    let (number, unit_ms) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 1000),
        (None, None) => (text, 1),
    };
    let number: u64 = number.parse().map_err(|_| invalid(format!("fault: {text:?} is no duration")))?;
    Ok(Duration::from_millis(number.saturating_mul(unit_ms)))
}

fn invalid(detail: String) -> Error {
    Error::new(ErrorKind::Invalid, detail)
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.calls, self.fault, self.when)
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Calls::All => f.write_str("*"),
            Calls::Kind(kind) => f.write_str(kind),
            Calls::Path { method: Some(method), prefix } => write!(f, "{method} {prefix}"),
            Calls::Path { method: None, prefix } => f.write_str(prefix),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Status { status, retry_after_s: None } => write!(f, "{status}"),
            Fault::Status { status, retry_after_s: Some(seconds) } => write!(f, "{status}+retry-after={seconds}"),
            Fault::Reset => f.write_str("reset"),
            Fault::Cut => f.write_str("cut"),
            Fault::Lost => f.write_str("lost"),
            Fault::Truncate => f.write_str("truncate"),
            Fault::Drip(pause) => write!(f, "drip={}ms", pause.as_millis()),
            Fault::Hang => f.write_str("hang"),
            Fault::Delay(delay) => write!(f, "delay={}ms", delay.as_millis()),
            Fault::Html => f.write_str("html"),
            Fault::BadJson => f.write_str("bad-json"),
            Fault::WrongLength => f.write_str("wrong-length"),
            Fault::Distorted(Distortion::WrongTypes) => f.write_str("wrong-types"),
            Fault::Distorted(Distortion::EndlessPaging) => f.write_str("endless"),
            Fault::Distorted(Distortion::CyclicParents) => f.write_str("cycle"),
            Fault::Distorted(Distortion::HugeNames) => f.write_str("huge-names"),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Always => f.write_str("always"),
            When::Nth(n) => write!(f, "nth={n}"),
            When::Every(k) => write!(f, "every={k}"),
            When::Next(n) => write!(f, "next={n}"),
        }
    }
}
