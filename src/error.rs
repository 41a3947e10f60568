//! One error type for every floor: what happened, whether to try again, and the words a person can act on.
//!
//! No errno here: `fuse/errno.rs` is the only place that knows them.

use std::fmt;
use std::time::Duration;

pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, as a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The thing is not there (any more).
    NotFound,
    /// Something of that name is there already.
    Exists,
    /// A directory that should be removed holds something.
    NotEmpty,
    /// A directory where a file is wanted.
    IsDirectory,
    /// A file where a directory is wanted.
    NotDirectory,
    /// This account may not do it.
    Denied,
    /// The credentials are refused; only a new sign-in helps.
    SignedOut,
    /// The service has no such operation.
    Unsupported,
    /// Cannot be moved there; the caller should copy.
    CrossDevice,
    /// The remote file moved on since it was opened.
    Conflict,
    /// Over the service's size limit.
    TooLarge,
    /// The service's space is used up.
    Quota,
    /// The local disk is full.
    DiskFull,
    /// The service refuses the name.
    BadName,
    NameTooLong,
    /// Arguments that make no sense.
    Invalid,
    /// Held by somebody else.
    Locked,
    /// The service has the content, but cannot give it yet.
    NotReady,
    /// The service asked to slow down, longer than we may wait.
    RateLimited,
    /// The service cannot be reached.
    Offline,
    /// No answer within the deadline.
    TimedOut,
    /// The service answered with a failure of its own (5xx).
    Server,
    /// An answer that cannot be understood.
    Protocol,
    /// The file behind an open handle is gone.
    Stale,
    /// Mounted read-only.
    ReadOnly,
    /// The local disk failed.
    LocalIo,
    /// No such extended attribute.
    NoAttribute,
    /// Attributes of this namespace are not kept.
    AttributeNotKept,
    /// A fault of this program.
    Bug,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Repeating gives the same answer.
    Never,
    /// May work later.
    Again,
    /// May work after this time, as the service said.
    AgainAfter(Duration),
    /// A person must do something first.
    TellUser,
}

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    advice: Advice,
    /// Connection lost, or no answer, after the request may have been sent: it may have taken effect.
    unclear: bool,
    operation: &'static str,
    subject: String,
    detail: String,
}

/// An error with its story. Cheap to move and to clone, so that callers who share a request share its error.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

impl Error {
    /// An error of `kind` with the advice that usually fits it.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            advice: kind.usual_advice(),
            unclear: false,
            operation: "",
            subject: String::new(),
            detail: detail.into(),
        }))
    }

    pub fn with_advice(mut self, advice: Advice) -> Self {
        self.0.advice = advice;
        self
    }

    /// Marks that the request may have taken effect although no answer came.
    pub fn unclear(mut self) -> Self {
        self.0.unclear = true;
        self
    }

    /// Names the operation and its subject (a path, an id), unless a lower floor did so already.
    pub fn during(mut self, operation: &'static str, subject: impl fmt::Display) -> Self {
        if self.0.operation.is_empty() {
            self.0.operation = operation;
            self.0.subject = subject.to_string();
        }
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub fn advice(&self) -> Advice {
        self.0.advice
    }

    pub fn is_unclear(&self) -> bool {
        self.0.unclear
    }

    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Whether a later repetition may succeed without a person's help.
    pub fn is_temporary(&self) -> bool {
        matches!(self.0.advice, Advice::Again | Advice::AgainAfter(_))
    }

    /// Whether the service could not be asked at all (as opposed to: it said no).
    pub fn is_offline(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Offline | ErrorKind::TimedOut)
    }
}

impl ErrorKind {
    fn usual_advice(self) -> Advice {
        match self {
            ErrorKind::RateLimited | ErrorKind::Offline | ErrorKind::TimedOut | ErrorKind::Server => Advice::Again,
            // Worth another try: a half answer is a network fault more often than a lasting one.
            ErrorKind::Protocol => Advice::Again,
            ErrorKind::Locked | ErrorKind::NotReady => Advice::Again,
            ErrorKind::SignedOut | ErrorKind::Quota | ErrorKind::DiskFull => Advice::TellUser,
            _ => Advice::Never,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { operation, subject, detail, .. } = &*self.0;
        if !operation.is_empty() {
            write!(f, "{operation} {subject}: ")?;
        }
        write!(f, "{detail}")
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        let kind = match e.raw_os_error() {
            Some(libc::ENOSPC) | Some(libc::EDQUOT) => ErrorKind::DiskFull,
            _ => ErrorKind::LocalIo,
        };
        Error::new(kind, e.to_string())
    }
}

/// Shorthand used where an error is made: `fail(ErrorKind::NotFound, "...")`.
pub fn fail<T>(kind: ErrorKind, detail: impl Into<String>) -> Result<T> {
    Err(Error::new(kind, detail))
}
